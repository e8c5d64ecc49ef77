"""The spec that `ocibuild init` writes."""

from __future__ import annotations

_STARTER = """\
# yaml-language-server: $schema=https://raw.githubusercontent.com/ocibuild/ocibuild/main/schemas/ocibuild.v1.json
apiVersion: ocibuild/v1

# Variables: a value here, `--set version=1.2.3` on the command line, or `{env: NAME}` for one from the environment.
vars:
  version: {default: 0.1.0, description: What is released}

# Where `ocibuild push` sends the image. For GitHub: ghcr.io/OWNER/NAME, in lower case.
image: ghcr.io/octocat/hello
tags: ["{{ version }}", latest]

platforms: [linux/amd64, linux/arm64]

# The image to build on; leave it out to start from nothing.
# base: docker.io/library/debian:12-slim

# Shown on the package's page. Written as labels, manifest annotations and index annotations alike.
metadata:
  source: https://github.com/octocat/hello
  description: Says hello
  licenses: MIT
  version: "{{ version }}"

config:
  # entrypoint: [/usr/local/bin/hello]
  env: {LANG: C.UTF-8}
  user: "65532:65532"

# Lowest first. Paths on the left are relative to this file.
layers:
  - name: app
    files:
      - {text: "hello from {{ platform.os }}/{{ platform.arch }}\\n", to: /etc/motd}
      # - {copy: "dist/{{ platform.arch }}/hello", to: /usr/local/bin/hello, mode: "0755"}
      # - {copy: site/, to: /srv/www, exclude: [drafts/]}
"""


def starter_spec() -> str:
    """A commented spec that builds without a change."""
    return _STARTER
