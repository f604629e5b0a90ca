"""What lets us into a cluster: made from the settings and a secret, kept in one file that only its user may read."""

from __future__ import annotations

import secrets
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from trending.access.settings import AccessSettings, SaslMechanism
from trending.errors import ConfigurationConflict
from trending.private_file import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping


class Access(BaseModel):
    """librdkafka's settings with which every client of a stack gets in.

    ``version`` changes with them and tells nothing of them, so that a program's specification can name it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: str
    settings: dict[str, SecretStr]

    @property
    def revealed(self) -> dict[str, str]:
        """The settings in plain text."""
        return {name: value.get_secret_value() for name, value in self.settings.items()}


class AccessFile(BaseModel):
    """Where a program finds its ``Access``; another version means that it was written anew since."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    path: Path
    version: str


def client_settings(access: AccessSettings, secret: SecretStr | None) -> dict[str, str]:
    """Return librdkafka's settings for ``access``; ``secret`` is the password, the client's secret or that of the key."""
    plain = secret.get_secret_value() if secret else ""
    settings = {"security.protocol": access.security_protocol.value}
    if access.sasl_mechanism is SaslMechanism.OAUTHBEARER:
        settings |= {
            "sasl.mechanism": access.sasl_mechanism.value,
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.client.id": access.kafka_user,
            "sasl.oauthbearer.client.secret": plain,
            "sasl.oauthbearer.token.endpoint.url": access.token_url,
            **({"sasl.oauthbearer.scope": access.token_scope} if access.token_scope else {}),
        }
    elif access.sasl_mechanism is not None:
        settings |= {"sasl.mechanism": access.sasl_mechanism.value, "sasl.username": access.kafka_user, "sasl.password": plain}
    elif plain:
        settings["ssl.key.password"] = plain
    if access.ca_file:
        settings["ssl.ca.location"] = access.ca_file
    if access.client_pem:
        settings |= {"ssl.certificate.location": access.client_pem, "ssl.key.location": access.client_pem}
    return settings


def keep_access(path: Path, settings: Mapping[str, str]) -> Access:
    """Write the settings to ``path``, readable for this user only, and return them; the version stays where nothing changes."""
    earlier = kept_access(path)
    if earlier is not None and earlier.revealed == dict(settings):
        return earlier
    access = Access(version=secrets.token_hex(4), settings={name: SecretStr(value) for name, value in settings.items()})
    write_private(path, _Revealed(version=access.version, settings=access.revealed).model_dump_json())
    return access


def kept_access(path: Path) -> Access | None:
    """Return what ``keep_access`` wrote; None where there is nothing. Raises ConfigurationConflict where it can't be read."""
    try:
        return Access.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        cause = f"{path}, with what lets us into Kafka, cannot be read"
        remedy = f"rm {shlex.quote(str(path))}, then make up, which writes it again"
        raise ConfigurationConflict(cause, type(error).__name__, remedy) from None


class _Revealed(BaseModel):
    version: str
    settings: dict[str, str]
