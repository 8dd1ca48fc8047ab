/** Keeps the last bytes of a stream, for diagnostics. */
export class ByteTail {
  readonly #limitBytes: number;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  append(chunk: Uint8Array): void {
    const kept =
      chunk.byteLength >= this.#limitBytes
        ? Buffer.alloc(0)
        : this.#bytes.subarray(-(this.#limitBytes - chunk.byteLength));
    this.#bytes = Buffer.concat([kept, chunk.subarray(-this.#limitBytes)]);
  }

  text(): string {
    return this.#bytes.toString('utf8');
  }
}
