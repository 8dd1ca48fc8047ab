import type { ProcessInfo, ProcessOutcome } from '../../src/index.ts';
import { CommandStdin } from './command-stdin.ts';
import type { FakeCommand } from './fake-command.ts';
import { OutputLog } from './output-log.ts';
import type { RequestedCommand } from './same-command.ts';

/** CHLD, CONT, STOP, TSTP, TTIN, TTOU, URG and WINCH: they end no program by default. */
const harmlessSignals = new Set([17, 18, 19, 20, 21, 22, 23, 28]);

/** A faked command that was started. It runs on without attachments, and keeps its output. */
export class CommandRun {
  readonly stdout: OutputLog = new OutputLog();
  readonly stderr: OutputLog = new OutputLog();
  readonly stdin: CommandStdin = new CommandStdin();
  readonly requested: RequestedCommand;
  /** Rejects with the error of the command. */
  readonly ended: Promise<ProcessOutcome>;
  readonly #killed: PromiseWithResolvers<ProcessOutcome> = Promise.withResolvers<ProcessOutcome>();
  #state: ProcessInfo['state'] = 'running';
  #isStored = false;
  #outcome: ProcessOutcome | undefined;

  constructor(command: FakeCommand, requested: RequestedCommand) {
    const { spec, hasStdin } = requested;
    this.requested = requested;
    if (!hasStdin) this.stdin.end();
    const stderr = spec.tty === undefined ? this.stderr : this.stdout;
    const running = command({
      spec,
      stdin: this.stdin,
      stdout: (output) => this.stdout.append(output),
      stderr: (output) => stderr.append(output),
    });
    this.ended = this.#untilEnd(running);
    this.ended.catch(() => undefined);
  }

  signal(signal: number): void {
    if (!harmlessSignals.has(signal)) this.#killed.resolve({ exitStatus: 128 + signal, signal });
  }

  /** Marks the outcome as stored in the database. The first one stands. */
  store(): void {
    this.#isStored = true;
  }

  info(id: string): ProcessInfo {
    const isStored = this.#isStored && this.#outcome !== undefined;
    return { id, state: this.#state, ...(isStored ? { result: this.#outcome } : {}) };
  }

  async #untilEnd(running: Promise<ProcessOutcome>): Promise<ProcessOutcome> {
    try {
      this.#outcome = await Promise.race([running, this.#killed.promise]);
      this.#state = 'ended';
      return this.#outcome;
    } catch (error) {
      this.#state = 'lost';
      throw error;
    } finally {
      this.stdout.close();
      this.stderr.close();
    }
  }
}
