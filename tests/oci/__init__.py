"""The vocabulary: what the two OCI specifications, and the attacks on their readers, demand of `ocibuild.oci`."""
