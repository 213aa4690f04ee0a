/**
 * The shapes of the API, as types only: what GET /openapi.json says, as far as the page reads it.
 *
 * @typedef {"waiting" | "scheduled" | "running" | "completed" | "error" | "cancelled"} State
 * @typedef {"push" | "read" | "admin"} Role
 * @typedef {Record<State, number>} Counts
 *
 * @typedef {object} Series
 * @property {number[]} t
 * @property {number[]} added
 * @property {number[]} completed
 * @property {number[]} errors
 * @property {(number | null)[]} waiting
 * @property {(number | null)[]} p95
 * @property {number[][]} duration_hist
 *
 * @typedef {object} Stats
 * @property {string} now
 * @property {Counts} states
 * @property {string | null} oldest_waiting
 * @property {{busy: number, limit: number}} slots
 * @property {{added: number, completed: number, errors: number}} rates
 * @property {Role} [role] an older node does not say
 * @property {number} [step]
 * @property {Series} [series]
 * @property {boolean} [partial] of a router: some node did not answer
 * @property {string[]} [missing]
 *
 * @typedef {object} Ready
 * @property {string} state ready, starting, draining, stopping, stalled, disk-low, failed
 * @property {string | null} reason
 * @property {Record<string, string>} [warnings]
 * @property {boolean} accepts_adds
 * @property {string | null} name
 * @property {string | null} [store_id]
 * @property {string} version
 *
 * @typedef {object} JobError
 * @property {string} kind
 * @property {string} message
 * @property {number | null} status
 *
 * @typedef {{percent: number | null, note: string | null, at: string | null}} Progress
 *
 * @typedef {object} JobListed what a listing shows of a job
 * @property {string} uid
 * @property {State} state
 * @property {string} kind
 * @property {string} queue
 * @property {number} priority
 * @property {string} method
 * @property {string} url
 * @property {string | null} key
 * @property {unknown} meta
 * @property {string | null} added_at
 * @property {string | null} waiting_at
 * @property {string | null} due_at
 * @property {string | null} started_at
 * @property {string | null} ended_at
 * @property {string} node
 * @property {number} tries
 * @property {string | null} held_by
 * @property {Progress | null} progress
 * @property {JobError | null} error
 *
 * @typedef {object} Response
 * @property {number} status
 * @property {[string, string][]} headers
 * @property {string | null} body
 * @property {string | null} body_base64
 * @property {boolean} truncated
 *
 * @typedef {object} Attempt
 * @property {number} n
 * @property {string | null} started_at
 * @property {number} duration
 * @property {string} node
 * @property {string} outcome
 * @property {string | null} error
 * @property {Response | null} response
 *
 * @typedef {object} JobOnly what the job alone shows, beside what a listing does
 * @property {Record<string, string>} headers
 * @property {unknown} body
 * @property {string | null} body_base64
 * @property {number | null} delay
 * @property {string | null} run_at
 * @property {number} timeout
 * @property {number} max_attempts
 * @property {number} unreached_attempts
 * @property {unknown} backoff
 * @property {string} success
 * @property {number | null} ttl
 * @property {number} redirects
 * @property {string[]} redact
 * @property {boolean} ordered
 * @property {string | null} idempotency_key
 * @property {string | null} unique
 * @property {string} on_conflict
 * @property {{url: string, headers: Record<string, string>, on: string[], max_attempts: number} | null} callback
 * @property {{key: string, concurrency: number | null, rate: number | null, per: number} | null} limit
 * @property {number} attempt
 * @property {number} unreached
 * @property {number} snoozes
 * @property {number} crashes
 * @property {string | null} callback_of
 * @property {string | null} lease_until
 * @property {Response | null} response
 * @property {Attempt[]} attempts
 * @typedef {JobListed & JobOnly} Job
 *
 * @typedef {object} Listing
 * @property {JobListed[]} jobs
 * @property {string | null} last_uid
 * @property {string | null} scanned_to
 * @property {boolean} partial
 * @property {string[]} [missing] of a router: the nodes that did not answer
 *
 * @typedef {{done: number, examined: number, last_uid: string | null}} BulkDone
 *
 * @typedef {{by: string | null, since: string | null, until: string | null}} Pause
 *
 * @typedef {object} Queue
 * @property {string} name
 * @property {boolean} declared
 * @property {Pause | null} paused
 * @property {Counts} counts
 * @property {string | null} oldest_waiting
 * @property {number | null} concurrency
 * @property {number | null} rate
 * @property {number} per
 * @property {string} scope
 * @property {Record<string, unknown>} defaults
 * @property {number} version
 *
 * @typedef {object} Limit
 * @property {string} key
 * @property {number | null} concurrency
 * @property {number | null} rate
 * @property {number} per
 * @property {boolean} pinned
 * @property {number} running
 * @property {number} waiting
 *
 * @typedef {object} Target
 * @property {string} host
 * @property {number} in_flight
 * @property {number | null} limit
 * @property {number} rate
 * @property {number | null} p50
 * @property {number | null} p95
 * @property {number[]} duration_hist
 * @property {number | null} error_share
 * @property {(Pause & {next_probe: string | null}) | null} held
 *
 * @typedef {object} Group errors that are alike
 * @property {string} id
 * @property {string | null} host
 * @property {string | null} class
 * @property {string | null} line
 * @property {number} count
 * @property {string | null} first_seen
 * @property {string | null} last_seen
 * @property {string | null} sample_uid
 *
 * @typedef {object} NodeTold a node as a router tells it, or a node itself
 * @property {string} name
 * @property {string | null} address of a node that lists itself: null
 * @property {string} state
 * @property {string | null} reason
 * @property {string | null} version
 * @property {number} share of the keys
 * @property {number} weight
 * @property {Counts | null} counts
 *
 * @typedef {{uid: string, state: State, why: string, facts: Record<string, unknown>}} Why
 *
 * @typedef {Record<string, string>} Address what stands in the query of the page's URL; `view` is always there
 *
 * @typedef {object} Shown a view while it is shown
 * @property {(address: Address) => void} update the address changed, the view is the same
 * @property {(signal: AbortSignal) => Promise<void>} poll asks for what it shows, and shows it
 * @property {() => void} close
 *
 * @typedef {object} View
 * @property {string} title
 * @property {(root: HTMLElement, address: Address) => Shown} show
 */

export {};
