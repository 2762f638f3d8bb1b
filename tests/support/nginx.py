"""Debian's nginx on a port of 127.0.0.1."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tests.support.certificates import Pair
from tests.support.processes import free_port, until

_CONFIGURATION: Final = """
daemon off;
master_process off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-errors.log;
events {{}}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  client_max_body_size 0;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  server {{
    {listen}
    root {folder};
    {server}
  }}
}}
"""


@contextmanager
def serving(folder: Path, server: str, pair: Pair | None = None) -> Iterator[tuple[int, int]]:
    """Give the port and the process id of an nginx with these directives of its server; with a pair, over TLS."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin")
    if program is None:
        raise FileNotFoundError("nginx is not installed: run deploy/install/debian.sh nginx")
    with free_port() as port:
        listen = f"listen 127.0.0.1:{port};"
        if pair:
            listen = f"listen 127.0.0.1:{port} ssl; ssl_certificate {pair.certificate}; ssl_certificate_key {pair.key};"
        configuration = folder / "nginx.conf"
        configuration.write_text(_CONFIGURATION.format(folder=folder, listen=listen, server=server))
        process = subprocess.Popen([program, "-c", str(configuration), "-p", str(folder)])
        try:
            until(lambda: _listens(port), "nginx serving")
            yield port, process.pid
        finally:
            process.terminate()
            process.wait()


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False
