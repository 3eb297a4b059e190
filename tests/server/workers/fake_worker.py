"""Stands in for a worker: what each image is called says what becomes of it. Run as a script."""

import json
import os
import queue
import sys
import threading
import time

FACTS = {"width": 3, "height": 2, "frames": 1, "seconds": 0.01}


def main() -> None:
    orders: queue.SimpleQueue[dict] = queue.SimpleQueue()
    cancelled = threading.Event()

    def listen() -> None:
        for line in sys.stdin:
            message = json.loads(line)
            cancelled.set() if "cancel" in message else orders.put(message)
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    settings = orders.get()
    if settings["engine"] == "broken":
        tell({"failed": "the engine is broken"})
        return
    tell({"ready": {"denoisers": {}, "classifiers": {}}})
    while True:
        order = orders.get()["order"]
        match order["name"]:
            case "hangs":
                time.sleep(1000)
            case "heeds":
                tell({"progress": 0.5})
                cancelled.wait()
                cancelled.clear()
                tell({"cancelled": True})
            case "dies":
                os._exit(1)
            case "babbles":
                print("nothing that can be understood", flush=True)
            case "refused":
                tell({"refused": "refused is too large", "status": 413})
            case "fails":
                tell({"failed": "the work failed"})
            case _:
                tell({"facts": FACTS | {"pid": os.getpid(), "nice": os.nice(0)}})


def tell(message: dict) -> None:
    print(json.dumps(message), flush=True)


main()
