"""How pages are read."""

from __future__ import annotations

from tests.docs.markdown import Command, File, anchors, links, steps

PAGE = """\
# A page: with `code` and [a link](b.md)

<!-- file: conf/a.yaml -->
```yaml
key: value
```

```console
$ ocibuild build \\
    --push
out
$ ocibuild diff a b  # ends with 1
```

<!-- needs: GitHub -->
```sh
ocibuild push
```

```yaml
not: run
```

    # a comment
    make it

| docker | ocibuild |
| --- | --- |
| `docker push a` | `ocibuild push a` |
| `docker login` | `echo x \\| ocibuild login` <!-- needs: Docker --> |

## Twice
## Twice
"""


def test_steps_come_in_the_order_of_the_page() -> None:
    assert steps(PAGE) == [
        File(4, "conf/a.yaml", "key: value\n"),
        Command(9, "ocibuild build \\\n    --push", ("out",)),
        Command(12, "ocibuild diff a b  # ends with 1"),
        Command(16, "ocibuild push", needs="GitHub"),
        Command(24, "make it"),
        Command(29, "ocibuild push a"),
        Command(30, "echo x | ocibuild login", needs="Docker"),
    ]


def test_a_command_may_be_said_to_fail() -> None:
    assert [step.status for step in steps(PAGE) if isinstance(step, Command)][:2] == [0, 1]


def test_anchors_are_those_of_github() -> None:
    assert anchors(PAGE) == {"a-page-with-code-and-a-link", "twice", "twice-1"}


def test_links_are_found_outside_of_code() -> None:
    assert links("[a](b.md#c) ![p](q.png) `[no](x)`\n```sh\n[no](y)\n```\n[![p](s.svg)](t)") == [
        "b.md#c", "q.png", "t",
    ]  # fmt: skip
