# A game server that calls every verb of the stable SDK by the client of the registry over REST and prints what
# came back, one `verb: result` a line. Its output is compared by crates/server/tests/spawner/official.rs.
import json
import os
import sys
import threading

import agones_python_sdk as agones

host = f"http://127.0.0.1:{os.environ['AGONES_SDK_HTTP_PORT']}"
sdk = agones.SDKApi(agones.ApiClient(agones.Configuration(host=host)))


def say(verb, result):
    print(f"{verb}: {json.dumps(result)}", flush=True)


def code(call):
    try:
        call()
    except agones.ApiException as refused:
        return [refused.status, json.loads(refused.body)["code"]]
    return "no error"


def updates():
    """What the watch tells, a line each: the client would wait for the watch's end to read it whole."""
    rest = b""
    for part in sdk.watch_game_server_without_preload_content().stream(4096):
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            yield agones.StreamResultOfSdkGameServer.from_json(line).result


# A spawner that no longer answers must not leave this process waiting.
limit = threading.Timer(60, lambda: (print("failed: no end within 60 s", flush=True), os._exit(1)))
limit.daemon = True
limit.start()

watch = updates()
states = []


def until(state):
    for server in watch:
        if states[-1:] != [server.status.state]:
            states.append(server.status.state)
        if server.status.state == state:
            return
    sys.exit("failed: the watch ended")


server = sdk.get_game_server()
say("gameserver", [server.status.state, server.status.ports[0].port == int(os.environ["PORT"])])
say("counters", {name: one.to_dict() for name, one in server.status.counters.items()})
say("lists", {name: one.to_dict() for name, one in server.status.lists.items()})
until("Starting")
say("ready", sdk.ready({}))
until("Ready")
say("health", sdk.health({}))
say("setlabel", sdk.set_label(agones.SdkKeyValue(key="mode", value="duel")))
say("setannotation", sdk.set_annotation(agones.SdkKeyValue(key="note", value="two words")))
meta = sdk.get_game_server().object_meta
say("labels", meta.labels)
say("annotation", meta.annotations["agones.dev/sdk-note"])
say("bad label", code(lambda: sdk.set_label(agones.SdkKeyValue(key="mode", value="two words"))))
say("reserve", sdk.reserve(agones.SdkDuration(seconds="1")))
until("Reserved")
until("Ready")
say("allocate", sdk.allocate({}))
until("Allocated")
say("shutdown", sdk.shutdown({}))
until("Shutdown")
say("states", states)
