"""What travels: topic names, versioned message schemas, their codec, CloudEvents headers and one example each.

Pure: no sockets, no clock. Files for readers outside (JSON Schema, AsyncAPI) are generated from these structs by
`python -m onefold.messages.generate`. Imported by everything that writes or reads a topic.
"""
