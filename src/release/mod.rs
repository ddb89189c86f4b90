//! Version, git tag, channel and environment of a release, from the event that started the workflow. Pure.
