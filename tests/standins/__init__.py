"""Stand-ins for files that only a vendor can give: they install and run as the real ones do, and do nothing else.

    python -m tests.standins FOLDER [--cann 8.2.RC1] [--machine aarch64]

Each says in its version that it is a stand-in (`8.2.RC1+standin`, `3.3.1+standin`). What they promise is what is known of the
real ones: names, flags, order of installation, the files that they leave, the variables of `set_env.sh`.
"""
