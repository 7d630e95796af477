"""The callers' commands: what any program could do, over HTTP with an API key, through `reelgate.client`.

They know the API's interface and nothing of its insides. Results go to stdout, as words or with `--json` as the API's
own JSON; progress and advice go to stderr there. Exit codes:

| code | means |
| --- | --- |
| 0 | it worked |
| 1 | it was refused, the job ended otherwise than well, or has no film for the file that was named; said in words |
| 2 | the command line is wrong; nothing was sent |
| 3 | the API cannot be reached or is too busy: the same command may work later; if a job may be made, under the key that was said |
| 4 | the film is there and was not saved: `reelgate download` fetches it |
| 5 | the job goes on: it was waited for as long as `--timeout` says, or the API was lost over it once it was made |
| 130 | Ctrl-C; what goes on, and how to go on with it, was said |

What stands at a module's top is light, so that `--help` takes no time: each command loads what it does when it does it.
"""
