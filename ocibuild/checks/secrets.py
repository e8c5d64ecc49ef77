"""Secrets that would be published with the image. No finding repeats one: they have a place, and no excerpt."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from posixpath import basename

from ocibuild.checks.labels import LabelSet
from ocibuild.checks.rule import Fault, Rule, Scope
from ocibuild.checks.spec_subject import PlacedFile, SpecUnderCheck
from ocibuild.findings import Place, Severity

# Forms that issuers document for their tokens, and that nothing else has. Labels of images may be megabytes of anything, and so
# nothing here may look far ahead from each of many places.
_TOKEN = re.compile(
    r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,}|glpat-[A-Za-z0-9_-]{20,}|dckr_pat_[A-Za-z0-9_-]{20,}"
    r"|A(?:KI|SI)A[A-Z0-9]{16}|xox[abprs]-[A-Za-z0-9-]{10,}|sk_live_[A-Za-z0-9]{16,}|AIza[A-Za-z0-9_-]{35}"
    r"|npm_[A-Za-z0-9]{36}|pypi-AgE[A-Za-z0-9_-]{20,})"
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY|\b[a-z][a-z0-9+.-]{1,20}://[^\s/:@]{0,100}:[^\s/:@$]{1,200}@"
)
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|CREDENTIALS?|AUTH_?KEY)(?:$|_)"
)
_HARMLESS_NAME = re.compile(
    r"PUBLIC|EXPIR|TIMEOUT|_(?:FILE|PATH|DIR|URL|URI|ENDPOINT|NAME|HEADER|TYPE|TTL|LENGTH|SIZE|LIFETIME|ISSUER|ALGORITHM"
    r"|LIMIT|COUNT|BUDGET|BACKEND|PROVIDER|STORE|MANAGER|MODE|PREFIX|REQUIRED|ENABLED)$"
)
_HARMLESS_VALUE = re.compile(r"|true|false|yes|no|none|null|0|1|/.*|\$.*", re.IGNORECASE)
# On a line of its own: programs that read keys have these words in their sources.
_KEY_HEADER = re.compile(
    rb"^[ \t]*-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----[ \t]*\r?$|^PuTTY-User-Key-File-[0-9]:",
    re.MULTILINE,
)
# Names under which programs keep credentials; those with a slash are the ends of paths.
_CREDENTIAL_NAMES = frozenset({
    ".netrc", "_netrc", ".git-credentials", ".pypirc", ".dockercfg", ".dockerconfigjson", ".pgpass", ".my.cnf", ".env",
    ".vault-token", ".htpasswd", ".s3cfg", ".boto", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_ed25519_sk",
    "application_default_credentials.json",
})  # fmt: skip
_CREDENTIAL_ENDS = (
    "/.docker/config.json", "/.aws/credentials", "/.azure/accessTokens.json", "/.kube/config", "/.config/gh/hosts.yml",
    "/.terraform.d/credentials.tfrc.json", "/.gem/credentials", "/.cargo/credentials.toml", "/.git/config",
)  # fmt: skip
_NPM_TOKEN = re.compile(rb"_(?:authToken|auth|password)\s*=\s*[\"']?[^\s$\"']")  # not one that the environment gives
_KEY_STORES = (".p12", ".pfx", ".jks", ".keystore", ".ppk")


def _secret_in_env(spec: SpecUnderCheck) -> Iterator[Fault]:
    """An environment variable of the image has a secret as its value, by its name or by the form of the value.

    Why: everybody who can pull the image can read its config, and a registry keeps it for ever.
    Source: BuildKit's check SecretsUsedInArgOrEnv; the issuers' documentation of their tokens' forms.
    Mend: give it to the container when it runs. If it was published, revoke it.
    """
    for part in spec.platforms:
        for name, value in part.plan.settings.env:
            named = _SECRET_NAME.search(name.upper()) and not _HARMLESS_NAME.search(name.upper())
            if _TOKEN.search(value) or (named and not _HARMLESS_VALUE.fullmatch(value)):
                message = f"the environment variable {name} publishes a secret with the image"
                yield Fault(message, _bare(spec.config_place("env", name)), "give it to the container when it runs")


def _secret_in_label(labels: LabelSet) -> Iterator[Fault]:
    """A label or an annotation has a secret as its value: a token, a private key, or a URL with a password.

    Why: labels are shown on the registry's page.
    Source: the issuers' documentation of their tokens' forms.
    Mend: leave it out. If it was published, revoke it.
    """
    for entry, value in labels.known():
        if _TOKEN.search(value):
            message = f"`{entry.key}` publishes a secret with the image"
            yield Fault(message, _bare(entry.place), "leave it out, and revoke it if it was published")


def _credential_file(spec: SpecUnderCheck) -> Iterator[Fault]:
    """A file is put into the image under a name that programs keep credentials in, such as .netrc or id_rsa.

    Why: everybody who can pull the image has it. A later layer that removes it does not help: the lower one is still pulled.
    Source: the documentation of the programs that read these files.
    Mend: `exclude` it, or give it to the container when it runs.
    """
    for file in _files(spec):
        if _is_credential(file):
            message = f"{file.path} is where a program keeps credentials"
            yield Fault(message, spec.place_of(file.origin), "`exclude` it, and mount it when the container runs")


def _private_key(spec: SpecUnderCheck) -> Iterator[Fault]:
    """A file that is put into the image begins with a private key.

    Why: everybody who can pull the image has it.
    Source: RFC 7468, section 10 and 11; the formats of OpenSSH, OpenPGP and PuTTY.
    Mend: `exclude` it, or give it to the container when it runs. If it was published, revoke it.
    """
    for file in _files(spec):
        if _KEY_HEADER.search(file.head) and not _is_credential(file):
            message = f"{file.path} holds a private key"
            place = _bare(spec.place_of(file.origin))
            yield Fault(message, place, "`exclude` it, and mount it when the container runs")


def _is_credential(file: PlacedFile) -> bool:
    name = basename(file.path)
    is_key_store = name.lower().endswith(_KEY_STORES) and "trust" not in name.lower()  # those hold certificates only
    is_npm_login = name == ".npmrc" and _NPM_TOKEN.search(file.head) is not None
    return name in _CREDENTIAL_NAMES or file.path.endswith(_CREDENTIAL_ENDS) or is_key_store or is_npm_login


def _files(spec: SpecUnderCheck) -> Iterator[PlacedFile]:
    for part in spec.platforms:
        for layer in part.layers:
            yield from layer.files


def _bare(place: Place) -> Place:
    return replace(place, excerpt=None)


_SPEC = (Scope.SPEC,)
RULES: tuple[Rule[SpecUnderCheck], ...] = (
    Rule("secret-in-env", Severity.ERROR, "The environment holds a secret", _SPEC, _secret_in_env),
    Rule("credential-file", Severity.ERROR, "A file of credentials is put into the image", _SPEC, _credential_file),
    Rule("private-key", Severity.ERROR, "A private key is put into the image", _SPEC, _private_key),
)
LABEL_RULES: tuple[Rule[LabelSet], ...] = (
    Rule("secret-in-label", Severity.ERROR, "A label holds a secret", (Scope.LABELS,), _secret_in_label),
)
