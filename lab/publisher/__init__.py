"""The publisher's side in the lab: callback API as a process, signing material."""
