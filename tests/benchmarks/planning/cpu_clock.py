"""Importing this makes `time.monotonic` count the CPU of this process, so that our limit is one of CPU as the peers' are.

It has to come before the planner. What waits for others by the clock keeps the wall's: it is imported here first.
"""

import concurrent.futures
import multiprocessing
import queue
import selectors
import subprocess
import threading
import time

WAITING = (concurrent.futures, multiprocessing, queue, selectors, subprocess, threading)

time.monotonic = time.process_time
