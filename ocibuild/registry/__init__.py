"""The distribution spec from the client's side: images in registries, read and written through the ports of `oci.blobs`.

May import errors, findings, events, oci and plan. Only `transport` knows httpx, only `credentials` reads the environment.
Start at `session.Registries`, which is opened once a command and gives a `repository.Repository` for each reference.
"""
