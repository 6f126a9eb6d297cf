"""What measures, and what it is measured against: kit's transport for load generators, and the reference server.

Both run inside the load generator's environment, where kit is not installed: the modules of this package import each other,
the standard library, aiohttp and evalscope, and nothing else of kit. `packed` makes one file of them, which a run starts.
"""
