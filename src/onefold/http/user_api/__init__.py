"""The User API's door under `/api/v1`, for people in a browser and for their software.

Thin: a route reads its input, asks a use case, shows what came of it. What all routes share, from who calls to the answer of an error, is
`door`.
"""
