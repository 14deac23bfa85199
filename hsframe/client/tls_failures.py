"""Why a TLS connection did not come about, in words: what was found, and what to do."""

from __future__ import annotations

import re
import ssl
from typing import Final

from hsframe.errors import chain_of

_AUTHORITY: Final = "tls=TLSConfig(ca_certificates_path=...)"
_OWN_CERTIFICATE: Final = "tls=TLSConfig(certificate_path=..., private_key_path=...)"

# By OpenSSL's codes of X509_verify_cert (openssl/x509_vfy.h).
_CERTIFICATES: Final = {
    9: "is not valid yet; check the clocks of this machine and of the server",
    10: "has expired; it must be renewed on the server, unless the clock of this machine is wrong",
    18: f"is signed by itself; get it from those who run the server, not from the connection, and give {_AUTHORITY}",
    19: f"is signed by an authority of its own, which is not trusted here; get the authority's and give {_AUTHORITY}",
    20: f"is signed by an authority that is not trusted here; if it is one of your own, give {_AUTHORITY}, with the "
    "certificates in between if the server does not send them",
    62: "is of another host; use the name that it is made for in the uri, or have it made for this one too",
}
_CERTIFICATES[2] = _CERTIFICATES[21] = _CERTIFICATES[20]
_CERTIFICATES[64] = _CERTIFICATES[62]

# By the reason of an SSLError: an alert of the server, or what OpenSSL here makes of its answer.
_REASONS: Final = (
    (
        r"WRONG_VERSION_NUMBER|HTTP_REQUEST|UNKNOWN_PROTOCOL|RECORD_LAYER_FAILURE|PACKET_LENGTH_TOO_LONG",
        "what answers there does not speak TLS; if the server has none at this port, the uri begins with http://",
    ),
    (
        r"PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW",
        "the server speaks no TLS of version 1.2 or newer, and older ones are not secure; update it, or put a reverse "
        "proxy before it",
    ),
    (
        r"CERTIFICATE_REQUIRED",
        f"the server wants a certificate of the client, and none was given; give {_OWN_CERTIFICATE}",
    ),
    (
        r"ALERT_(UNKNOWN_CA|.*CERTIFICATE.*|ACCESS_DENIED|DECRYPT_ERROR)",
        f"the server does not accept the certificate of the client; check that {_OWN_CERTIFICATE} has one of an "
        "authority that the server trusts, that is valid today",
    ),
    (
        r"HANDSHAKE_FAILURE|NO_SHARED_CIPHER|NO_CIPHERS_AVAILABLE",
        f"the server takes nothing that is offered; if it wants a certificate of the client, give {_OWN_CERTIFICATE}; "
        "else its ciphers are too old",
    ),
    (r"UNRECOGNIZED_NAME", "the server does not know the host of the uri; use the name that its certificate has"),
)


def tls_failure(error: BaseException, *, is_connecting: bool) -> str:
    """What to say of an error with a final one of TLS in it; empty where there is none."""
    for link in chain_of(error):
        if type(link).__module__ != "ssl":  # aiohttp has classes that derive from these, without what they say
            continue
        if isinstance(link, ssl.SSLCertVerificationError):
            what = _CERTIFICATES.get(
                link.verify_code, f"is not accepted; if you trust its authority, give {_AUTHORITY}"
            )
            return f"the server's certificate is not trusted: it {what} ({link.verify_message})"
        if isinstance(link, ssl.SSLError):
            reason = link.reason or str(link)
            for pattern, what in _REASONS:
                # By TLS 1.3 a certificate is refused once there is a connection. What is no alert then is damage.
                if re.search(pattern, reason) and (is_connecting or "ALERT" in reason):
                    return f"no TLS connection: {what} ({reason.replace('_', ' ').lower()})"
    return ""


def lost_connection_hint(*, is_https: bool) -> str:
    """What may be the reason, where a connection broke and nothing was ever answered."""
    if is_https:
        return f"; if the server wants a certificate of the client, or another one, give {_OWN_CERTIFICATE}"
    return "; if the server speaks TLS at this port, the uri begins with https://"
