"""What the cases share: an emulator, Squall in front of it, and clients that go there.

A case is a folder with a `case.py`. It runs in an environment that holds nothing of the surrounding one but PATH, with HOME and
TMPDIR empty folders of its own, and these variables: SQUALL, the binary; CASE, the case's folder. Its exit code is the verdict.
"""
