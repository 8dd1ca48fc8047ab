/** Controls agent/test/faults.c by a file of shared memory. */
import { closeSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';

const CONTROL_BYTES = 1024 * 1024;
const LOG_AT = 4096;
const PIDS_AT = 88;
const PIDS_MAX = 512;

/** Classes of calls, as in agent/test/faults.c. */
export const calls = {
  changes: 1,
  allocates: 2,
  reads: 4,
  optional: 8,
  blocks: 16,
  cuttable: 32,
  talks: 64,
  spawns: 128,
  renames: 256,
  descriptors: 512,
  closes: 1024,
} as const;
const kinds = { crash: 1, kill: 2, error: 3, cut: 4 } as const;
const roles = ['serve', 'session', 'supervisor', 'child'] as const;

export interface Fault {
  readonly name: string;
  /**
   * `crash`: all processes end at once; `kill`: the calling process ends; `error`: the call fails;
   * `cut`: it moves one byte.
   */
  readonly kind: keyof typeof kinds;
  readonly errno?: number;
  /** Classes of calls that count, as a sum. */
  readonly classes: number;
  /** From the chosen call on all calls fail, as on a disk that stays full. */
  readonly persistent?: boolean;
}

/** One line of the log: the process, the call and its paths. */
export interface LoggedCall {
  readonly role: (typeof roles)[number];
  readonly call: string;
  readonly paths: readonly string[];
}

// Offsets of the 32-bit fields of `struct control`.
const field = {
  armed: 0,
  fault: 4,
  error: 8,
  roles: 12,
  classes: 16,
  at: 20,
  persistent: 24,
  logging: 28,
  counted: 32,
  fired: 36,
  dead: 40,
} as const;
const LOG_END = 44;
const FIRED_ROLE = 52;
const FIRED_CALL = 56;

export class FaultControl implements Disposable {
  readonly path: string;
  readonly #fd: number;

  constructor(path: string) {
    this.path = path;
    this.#fd = openSync(path, 'w+', 0o600);
    ftruncateSync(this.#fd, CONTROL_BYTES);
  }

  #get(at: number): number {
    const bytes = Buffer.alloc(4);
    readSync(this.#fd, bytes, 0, 4, at);
    return bytes.readUInt32LE(0);
  }

  #set(at: number, value: number): void {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value, 0);
    writeSync(this.#fd, bytes, 0, 4, at);
  }

  /** Injects the fault at the `at`-th call (from 1) of the fault's classes, counted from now. */
  arm(fault: Fault, at: number): void {
    this.#set(field.counted, 0);
    this.#set(field.fired, 0);
    this.#set(field.fault, kinds[fault.kind]);
    this.#set(field.error, fault.errno ?? 0);
    this.#set(field.roles, 0xf);
    this.#set(field.classes, fault.classes);
    this.#set(field.at, at);
    this.#set(field.persistent, fault.persistent === true ? 1 : 0);
    this.#set(field.armed, 1);
  }

  disarm(): void {
    this.#set(field.armed, 0);
  }

  /** The number of calls with the fault. */
  get fired(): number {
    return this.#get(field.fired);
  }

  get counted(): number {
    return this.#get(field.counted);
  }

  /** The first call with the fault, such as `supervisor fsync`. */
  get firedAt(): string {
    const name = Buffer.alloc(32);
    readSync(this.#fd, name, 0, name.length, FIRED_CALL);
    return `${roles[this.#get(FIRED_ROLE)] ?? '?'} ${name.toString('utf8', 0, name.indexOf(0))}`;
  }

  /** Processes of the agent that have not been reaped, and commands. */
  get pids(): number[] {
    const bytes = Buffer.alloc(4 * PIDS_MAX);
    readSync(this.#fd, bytes, 0, bytes.length, PIDS_AT);
    return Array.from({ length: PIDS_MAX }, (_, index) => bytes.readInt32LE(4 * index)).filter((pid) => pid > 0);
  }

  set logging(on: boolean) {
    this.#set(field.logging, on ? 1 : 0);
  }

  /**
   * All log entries, the oldest first. A call that makes something durable is logged after it, all
   * others before.
   */
  log(): LoggedCall[] {
    const length = this.#get(LOG_END);
    if (LOG_AT + length > CONTROL_BYTES) throw new Error('the log is full');
    const bytes = Buffer.alloc(length);
    readSync(this.#fd, bytes, 0, length, LOG_AT);
    return bytes
      .toString('utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const [role, call, ...paths] = line.split('\t');
        return { role: role as LoggedCall['role'], call: call ?? '', paths: paths.filter((path) => path !== '') };
      });
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}
