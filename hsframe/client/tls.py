"""TLS settings of a client: which servers are trusted, and the certificate that proves who the client is."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path

from hsframe.errors import MetadataError
from hsframe.protocol.secret import Secret, hidden


@dataclass(frozen=True)
class TLSConfig:
    """The TLS settings of a client: version 1.2 or newer, the server's certificate verified.

    Parameters
    ----------
    certificate_path, private_key_path : path, optional
        PEM files of the client's own certificate (with its chain) and key, for servers that ask for one (mTLS).
        Without `private_key_path` the key is in the certificate's file.
    ca_certificates_path : path, optional
        PEM file, or directory of hashed PEM files, of the authorities to trust **instead of** the machine's.
    key_password : str, optional
        Of an encrypted private key.
    verify : bool
        False takes any certificate: then nothing proves who the server is, and no password is sent in cleartext.

    Examples
    --------
    >>> TLSConfig(ca_certificates_path="ca.crt", key_password="s3cret")
    TLSConfig(certificate_path=None, private_key_path=None, ca_certificates_path='ca.crt', verify=True)
    """

    certificate_path: str | PathLike[str] | None = None
    private_key_path: str | PathLike[str] | None = None
    ca_certificates_path: str | PathLike[str] | None = None
    key_password: str | None = field(default=None, repr=False)
    verify: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "key_password", hidden(self.key_password))  # dataclasses.asdict() shows it

    def client_context(self) -> ssl.SSLContext:
        """The context for a client's connections; a MetadataError names a file that cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.ca_certificates_path is not None:
            path = Path(self.ca_certificates_path)
            try:
                context.load_verify_locations(*((None, path) if path.is_dir() else (path, None)))
            except (OSError, ssl.SSLError) as error:
                raise MetadataError(
                    f"tls: ca_certificates_path {str(path)!r} cannot be used: {error}; expected PEM files"
                ) from None
        elif self.verify:
            context.load_default_certs(ssl.Purpose.SERVER_AUTH)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate_path is not None:
            self._load_certificate(context)
        elif self.private_key_path is not None:
            raise MetadataError("tls: private_key_path is given without certificate_path; a key alone proves nothing")
        return context

    def _load_certificate(self, context: ssl.SSLContext) -> None:
        assert self.certificate_path is not None
        key = self.private_key_path
        try:
            # A callable, and one that never asks: without a password OpenSSL would prompt on the terminal.
            context.load_cert_chain(
                self.certificate_path, key, password=lambda: Secret(self.key_password or "").reveal()
            )
        except (OSError, ssl.SSLError, ValueError) as error:
            key_file = "" if key is None else f" and private_key_path {fspath(key)!r}"
            raise MetadataError(
                f"tls: certificate_path {fspath(self.certificate_path)!r}{key_file} cannot be used: {error}; expected "
                "PEM files that belong together, and key_password if the key is encrypted"
            ) from None
