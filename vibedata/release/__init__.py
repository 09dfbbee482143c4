"""A release seen from the publisher's desk: checking, signing, the container registry it goes to."""
