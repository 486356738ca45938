//! Which fault, when: the profile language, and the plan compiled from it.
