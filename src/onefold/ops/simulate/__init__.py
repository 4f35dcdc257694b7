"""What-if: run interactions through the same reading and the same `decide` as resolvers do, and write nothing.

`lines` reads them, `world` holds the state that they meet and leave behind, `run` plays one after the other, `present` loads what is
stored, `report` is what comes out, and `difference` compares two runs. Called by the command line.
"""
