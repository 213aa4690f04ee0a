"""All of a cluster is restarted under load, one process after another: nobody who adds or reads is told wrong."""

import signal


async def test_a_rolling_restart_loses_doubles_and_turns_round_nothing(cluster, load):
    async with load:
        for process in (*cluster.nodes.values(), *cluster.routers):
            await load.more()
            process.signal(signal.SIGTERM)
            assert await process.wait() == 0
            await load.more()
            await process.start()
            await cluster.until_whole()
        await load.more()
    account = load.account
    assert await load.faults() == {}
    assert account.answered > 0.99, account.keyless
    assert account.whole_walks > 0
    assert "lost" in await load.faults(without="n2"), "the control: it would be seen"
