"""From what happened to what a person can do: problems become errors with a hint. All texts of this package's errors that
depend on a registry's words are here, as data with their source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ocibuild.errors import AuthError, NetworkError, NotFoundError, OcibuildError, RegistryError
from ocibuild.registry.exchange import Trouble, UnreachableError
from ocibuild.registry.origin import is_loopback_host
from ocibuild.registry.redact import redact_url
from ocibuild.registry.refusal import Refusal
from ocibuild.registry.retry import Problem, is_throttled


@dataclass(frozen=True, slots=True)
class Advice:
    """A hint for refusals of these statuses (all, if none) that hold one of these texts or codes, on hosts that end so."""

    hint: str
    statuses: Sequence[int] = ()
    texts: Sequence[str] = ()
    codes: Sequence[str] = ()
    hosts: Sequence[str] = ()
    methods: Sequence[str] = ()

    def fits(self, refusal: Refusal, host: str) -> bool:
        """Whether every condition that is given holds."""
        words = refusal.text.lower()
        return (
            (not self.statuses or refusal.status in self.statuses)
            and (not self.texts or any(text in words for text in self.texts))
            and (not self.codes or any(code in refusal.codes for code in self.codes))
            and (not self.hosts or any(host == name or host.endswith(f".{name}") for name in self.hosts))
            and (not self.methods or refusal.method in self.methods)
        )


# The first that fits is shown: the special before the general.
ADVICE = (
    Advice(  # pinchbench/skill#17, atlanhq/application-sdk#2680
        "give the workflow `permissions: packages: write`; if it has them, the organisation forbids to create packages",
        texts=("installation not allowed to create organization package",),
    ),
    Advice(  # enketo#1054, hyperledger-firefly/signer#74
        "give the workflow `permissions: packages: write`, and link the package to this repository; a pull request from a "
        "fork cannot push",
        texts=("installation not allowed to write organization package",),
    ),
    Advice(  # tridz-dev/huf#349, redhat-actions/push-to-registry#52, docker/build-push-action#463
        "the package exists but does not let this repository write: add it under the package's settings, Manage Actions "
        "access, or set org.opencontainers.image.source to this repository before the first push",
        texts=("permission_denied: write_package",),
    ),
    Advice(  # cli/cli#5174
        "authorise the token for the organisation's single sign-on (token settings, Configure SSO)",
        texts=("saml", "sso"),
        hosts=("ghcr.io", "ghe.com"),
        statuses=(401, 403),
    ),
    Advice(  # Retro68#274
        "the token is wrong or has expired, or it is fine-grained: GitHub Packages takes classic tokens with write:packages",
        texts=("user cannot be authenticated with the token provided",),
    ),
    Advice(
        "wait, or send less at a time (`--jobs`)",
        texts=("rate limit", "toomanyrequests"),
    ),
    Advice("wait, or send less at a time (`--jobs`)", statuses=(429,)),
    Advice(  # skopeo#1880, okxlin/docker-mirror-monitor#13
        "GitHub deletes package versions through its REST API or on the package's page only",
        methods=("DELETE",),
        statuses=(405,),
        hosts=("ghcr.io", "ghe.com"),
    ),
    Advice(
        "this registry has deletion switched off", methods=("DELETE",), statuses=(400, 403, 405), codes=("UNSUPPORTED",)
    ),
    Advice(  # distribution 2.8 takes a tag for a malformed digest
        "this registry deletes by digest only: `ocibuild digest` shows the image's, with which all its tags go",
        methods=("DELETE",),
        statuses=(400,),
        codes=("DIGEST_INVALID",),
    ),
    Advice(
        "this registry has deletion switched off, or deletes by digest only", methods=("DELETE",), statuses=(400, 405)
    ),
    Advice(
        "a manifest refers to a blob or a child that the registry does not have; push the image again as a whole",
        codes=("MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN"),
        methods=("PUT",),
        statuses=(400, 404),
    ),
    Advice(  # distribution 2.8: validation.manifests.urls
        "docker-registry takes layers with `urls` only from places that its setting validation.manifests.urls.allow names",
        codes=("MANIFEST_BLOB_UNKNOWN",),
        methods=("PUT",),
        statuses=(500,),
    ),
    Advice(
        "something between here and the registry limits the size of a request (nginx: client_max_body_size)",
        statuses=(413,),
    ),
    Advice("the registry has no room left: whoever runs it can free some", statuses=(507,)),
    Advice(
        "check the name; on this kind of registry a repository has to be created before the first push",
        hosts=("amazonaws.com",),
        statuses=(404,),
        codes=("NAME_UNKNOWN", "NAME_INVALID"),
    ),
    Advice("check the repository's name, and whether you may see it", codes=("NAME_UNKNOWN",)),
    Advice("`ocibuild ls` shows the tags that are there", codes=("MANIFEST_UNKNOWN",), statuses=(404,)),
)

_LOGIN = "log in with `ocibuild login {host}`; `ocibuild doctor` shows which credentials were used"
_NOT_ALLOWED = "the credentials are known but may not do this: check what they are allowed to"
_NO_REGISTRY = "what answers there may be no registry: check the host and the port, and any proxy on the way"


def to_error(problem: Problem, reason: str = "", *, host: str, subject: str) -> OcibuildError:
    """The public error for a problem met while working on `subject` at `host`; `reason` says why no attempt follows."""
    if isinstance(problem, UnreachableError):
        return _network_error(problem, reason, host, subject)
    return _refusal_error(problem.refusal, reason, host, subject, throttled=is_throttled(problem))


def _refusal_error(refusal: Refusal, reason: str, host: str, subject: str, *, throttled: bool) -> OcibuildError:
    if refusal.storage is not None:
        # Its words are about its own business (ours had no credentials for it), and no hint of ours fits them.
        what = (
            f"{refusal.storage}, where {host} sent us, refused {subject} with status {refusal.status}: {refusal.text}"
        )
        return RegistryError(what, where=refusal.place, status=refusal.status, codes=refusal.codes)
    said = refusal.text or ", ".join(refusal.codes) or "no reason given"
    what = f"{host} refused {subject} with status {refusal.status}: {said}{f' ({reason})' if reason else ''}"
    hint = next((advice.hint for advice in ADVICE if advice.fits(refusal, host)), None)
    if refusal.status in (401, 403) and not throttled:
        fallback = _LOGIN.format(host=host) if refusal.anonymous or refusal.status == 401 else _NOT_ALLOWED
        if refusal.grant_error == "insufficient_scope" and not refusal.anonymous:
            fallback = _NOT_ALLOWED
        return AuthError(what, where=refusal.place, hint=hint or fallback)
    if refusal.status in (404, 405, 501) and refusal.method != "HEAD" and not (refusal.text or refusal.codes):
        hint = hint or _NO_REGISTRY  # registries give a reason (distribution-spec, "Error Codes"), web servers a page
    kind = NotFoundError if refusal.status == 404 else RegistryError
    return kind(what, where=refusal.place, hint=hint, status=refusal.status, codes=refusal.codes)


_TROUBLES = {
    Trouble.UNKNOWN_HOST: (
        "the host name is unknown",
        "check the name, and whether this machine has a network and DNS",
    ),
    Trouble.REFUSED: ("the connection was refused", "check the port, and whether the registry runs"),
    Trouble.UNREACHABLE: ("it cannot be reached", "check the network; proxies come from HTTPS_PROXY and NO_PROXY"),
    Trouble.CERTIFICATE: ("its certificate is not trusted", "name the authority with --ca-cert or SSL_CERT_FILE"),
    Trouble.TLS: (
        "TLS failed",
        "a registry without TLS needs --plain-http; one that asks for a certificate, --client-cert",
    ),
    Trouble.PROXY: ("the proxy failed", "check HTTPS_PROXY and NO_PROXY"),
    Trouble.TIMEOUT: (
        "it did not answer in time",
        "try again; a slow link may need fewer uploads at once (`--jobs 1`)",
    ),
    Trouble.BROKEN: (
        "the connection broke",
        "try again; if it breaks each time, check the port and what is on the way",
    ),
    Trouble.MALFORMED: ("the request cannot be made", None),
}


def _network_error(problem: UnreachableError, reason: str, host: str, subject: str) -> NetworkError:
    what, hint = _TROUBLES[problem.trouble]
    if problem.trouble is Trouble.BROKEN and host.endswith(".amazonaws.com"):  # containers-roadmap#1970
        hint = "ECR ends the connection where a repository does not exist: create it first"
    if problem.trouble is Trouble.BROKEN and problem.request.url.startswith("http://"):
        hint = "try again; if it breaks each time, the port may be one of TLS: leave --plain-http out"
    if problem.trouble is Trouble.TLS and is_loopback_host(host):
        hint = "a registry on this machine is spoken to with and without TLS: check its certificate and port"
    request = problem.request
    return NetworkError(
        f"{host}: {what} ({problem.detail}){f', {reason}' if reason else ''}; it was {subject}",
        where=f"{request.method} {redact_url(request.url)}",
        hint=hint,
    )
