const beatEveryMs = 500;

/** Measures how late the event loop runs a timer, and reports each run. */
export class EventLoopLag {
  readonly #timer: NodeJS.Timeout;
  readonly #now: () => number;
  #longestMs = 0;
  #lastAt: number;

  /**
   * @param beat - called while the event loop runs
   * @param now - a monotonic time in milliseconds
   */
  constructor(beat: () => void, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#lastAt = now();
    this.#timer = setInterval(() => {
      this.#measure();
      beat();
    }, beatEveryMs);
    this.#timer.unref();
  }

  /** Returns the longest delay since the last call, in whole milliseconds. */
  longestMs(): number {
    const longest = this.#longestMs;
    this.#longestMs = 0;
    return Math.round(longest);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #measure(): void {
    const at = this.#now();
    this.#longestMs = Math.max(this.#longestMs, at - this.#lastAt - beatEveryMs);
    this.#lastAt = at;
  }
}
