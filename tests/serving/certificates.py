"""A certificate authority for tests, and the text proto that makes a server use it."""

from dataclasses import dataclass
from pathlib import Path

import grpc
import trustme


@dataclass
class Authority:
    """Issues a server's and a client's certificate."""

    def __post_init__(self):
        self._authority = trustme.CA()
        self.root = self._authority.cert_pem.bytes()
        self._server = self._authority.issue_cert("127.0.0.1", "localhost")
        self._client = self._authority.issue_cert("client@example.com")

    def ssl_config(self, path: Path, client_verify: bool) -> str:
        """Writes an SSLConfig; returns its path, as the flag takes it."""

        def text(pem: bytes) -> str:
            return '"' + pem.decode().replace("\n", "\\n") + '"'

        lines = [
            f"server_key: {text(self._server.private_key_pem.bytes())}",
            f"server_cert: {text(self._server.cert_chain_pems[0].bytes())}",
            f"custom_ca: {text(self.root)}",
            f"client_verify: {str(client_verify).lower()}",
        ]
        path.write_text("\n".join(lines))
        return str(path)

    def credentials(self) -> grpc.ChannelCredentials:
        """A client that knows the server's authority."""
        return grpc.ssl_channel_credentials(self.root)

    def mutual_credentials(self) -> grpc.ChannelCredentials:
        """A client that also shows a certificate of its own."""
        return grpc.ssl_channel_credentials(
            self.root,
            self._client.private_key_pem.bytes(),
            self._client.cert_chain_pems[0].bytes(),
        )
