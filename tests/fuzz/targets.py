"""What is fuzzed. Each target takes any bytes, and raises only where a promise is broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.fuzz import of_files, of_people, of_registries

Target = Callable[[bytes], None]
TARGETS: Mapping[str, Target] = {
    "spec": of_people.spec,
    "policy": of_people.policy,
    "template": of_people.template,
    "tag rules": of_people.tag_rules,
    "patterns": of_people.patterns,
    "reference": of_people.reference,
    "media type": of_people.media_type,
    "label value": of_people.label_value,
    "dockerfile": of_people.dockerfile,
    "workflow": of_people.workflow,
    "lock file": of_people.lock_file,
    "document": of_registries.document,
    "layout index": of_registries.layout_index,
    "challenge": of_registries.challenge,
    "link": of_registries.link,
    "address": of_registries.address,
    "refusal": of_registries.refusal,
    "request head": of_registries.request_head,
    "tar": of_files.tar,
    "packed": of_files.packed,
    "layer": of_files.layer,
    "auth file": of_files.auth_file,
    "layer record": of_files.layer_record,
    "docker archive": of_files.docker_archive,
    "docker archive's tar": of_files.docker_archive_tar,
}
