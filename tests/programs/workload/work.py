"""Processes, threads, sockets, locks and maps, as Python's own library uses them."""
import asyncio
import fcntl
import mmap
import multiprocessing
import os
import shutil
import socket
import subprocess
import threading


def square(number):
    return number * number


def serve(server):
    connection, _ = server.accept()
    connection.sendall(connection.recv(100).upper())
    connection.close()


async def run_cat():
    process = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE,
                                                   stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate(b"through cat")
    return output


def main():
    print(subprocess.run(["sh", "-c", "echo said; exit 3"], capture_output=True, text=True))
    for kind in "fork", "spawn":
        with multiprocessing.get_context(kind).Pool(3) as pool:
            print(kind, pool.map(square, range(6)))
    with multiprocessing.Manager() as manager:
        shared = manager.dict(a=1)
        print(dict(shared))
    server = socket.socket(socket.AF_UNIX)
    server.bind("socket")
    server.listen()
    thread = threading.Thread(target=serve, args=(server,))
    thread.start()
    client = socket.socket(socket.AF_UNIX)
    client.connect("socket")
    client.sendall(b"hello")
    print(client.recv(100), client.getpeername(), server.getsockname())
    thread.join()
    os.unlink("socket")
    with open("mapped", "w+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.truncate(8192)
        with mmap.mmap(file.fileno(), 8192) as area:
            area[4096:4102] = b"mapped"
        file.seek(4096)
        print(file.read(6))
    print(asyncio.run(run_cat()))
    shutil.copytree("/w", "copy")
    print(sorted(os.listdir("copy")))
    os.chown("mapped", 12, 34)
    print(os.stat("mapped").st_uid, os.stat("mapped").st_gid)


if __name__ == "__main__":
    main()
