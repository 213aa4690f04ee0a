"""Gives a click command a flag for each setting, and lays out its help: the common ones, or all by their groups."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import click

from .kinds import BadValue, YesNo
from .settings import CONFIG, Setting, settings_of

_ONE_DASH = re.compile(r"-[a-z][a-z-]+(=.*)?", re.DOTALL)
_WIDTH = 100
_NAMES_WIDTH = 34
_HELP_ALL = "taskpusher.help_all"


class SettingsCommand(click.Command):
    """A command whose flags are settings. Each long flag also takes one dash: `-address=...` is `--address=...`."""

    def __init__(self, *args: Any, settings: type, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.context_settings["max_content_width"] = _WIDTH
        self._settings = [CONFIG, *settings_of(settings)]
        self.params += [_option(one) for setting in self._settings for one in _with_file(setting)]
        self.params.append(
            click.Option(
                ["--help-all"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_help_all,
                help="Show every setting.",
            )
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read flags."""
        return super().parse_args(ctx, [f"-{arg}" if _ONE_DASH.fullmatch(arg) else arg for arg in args])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the settings, and then the flags that are none."""
        groups: dict[str, list[Setting]] = {}
        for setting in self._settings:
            if ctx.meta.get(_HELP_ALL):
                groups.setdefault(setting.group, []).append(setting)
            elif setting.common:
                groups.setdefault("Settings", []).append(setting)
        for title, settings in groups.items():
            with formatter.section(title):
                lines = [_line(one) for setting in settings for one in _with_file(setting) if _shown(one, ctx)]
                formatter.write_dl(lines, col_max=_NAMES_WIDTH)
        settings_names = {one.name for setting in self._settings for one in _with_file(setting)}
        others = [parameter for parameter in self.get_params(ctx) if parameter.name not in settings_names]
        with formatter.section("Options"):
            formatter.write_dl([record for one in others if (record := one.get_help_record(ctx)) is not None])


def given_flags(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that were given as flags."""
    return {name: value for name, value in values.items() if value is not None}


class _Value(click.ParamType):  # type: ignore[type-arg]  # generic only since click 8.5
    """Reads a flag by the rule of its setting's kind."""

    def __init__(self, setting: Setting) -> None:
        self.name = setting.kind.metavar
        self._setting = setting

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._setting.parse(value)
        except BadValue as error:
            shown = "its value" if self._setting.kind.secret else repr(value)
            self.fail(f"{shown} is not {error}", param, ctx)


class _Several(click.Option):
    """A flag that may be given again: its values are read as one text, so that rules between them hold."""

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        return self.type.convert("\n".join(value), self, ctx) if value else None


def _option(setting: Setting) -> click.Option:
    if isinstance(setting.kind, YesNo):
        return click.Option([f"--{setting.flag}/--no-{setting.flag}", setting.name], default=None, help=setting.help)
    if setting.kind.one is not None:
        return _Several(
            [f"--{setting.kind.one}", setting.name],
            type=_Value(setting),
            multiple=True,
            default=None,
            help=setting.help,
        )
    return click.Option([f"--{setting.flag}", setting.name], type=_Value(setting), help=setting.help)


def _help_all(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001
    if value:
        context.meta[_HELP_ALL] = True
        click.echo(context.get_help())
        context.exit()


def _with_file(setting: Setting) -> Iterator[Setting]:
    yield setting
    if setting.in_file is not None:
        yield setting.in_file


def _shown(setting: Setting, context: click.Context) -> bool:
    return setting.common or bool(context.meta.get(_HELP_ALL))


def _line(setting: Setting) -> tuple[str, str]:
    metavar = setting.kind.metavar
    default = setting.show(setting.default)
    told = "" if default in ("none", "false") else f"  [default: {default}]"
    return f"--{setting.kind.one or setting.flag} {metavar}".rstrip(), setting.help + told
