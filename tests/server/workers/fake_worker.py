"""A fake worker process: the name of each image says what happens to it. Run as a script."""

import json
import os
import queue
import sys
import threading
import time

METADATA = {"width": 3, "height": 2, "frames": 1, "seconds": 0.01}


def main() -> None:
    requests: queue.SimpleQueue[dict] = queue.SimpleQueue()
    cancelled = threading.Event()

    def listen() -> None:
        for line in sys.stdin:
            message = json.loads(line)
            cancelled.set() if "cancel" in message else requests.put(message)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    settings = requests.get()
    if settings["engine"] == "broken":
        send({"failed": "the engine is broken"})
        return
    send({"ready": {"denoisers": {}, "classifiers": {}}})
    while True:
        request = requests.get()["request"]
        match request["name"]:
            case "hangs":
                time.sleep(1000)
            case "cancellable":
                send({"progress": 0.5})
                cancelled.wait()
                cancelled.clear()
                send({"cancelled": True})
            case "dies":
                os._exit(1)
            case "garbles":
                print("this is no message", flush=True)
            case "refused":
                send({"refused": "refused is too large", "status": 413})
            case "fails":
                send({"failed": "the work failed"})
            case _:
                send({"metadata": METADATA | {"pid": os.getpid(), "nice": os.nice(0)}})


def send(message: dict) -> None:
    print(json.dumps(message), flush=True)


main()
