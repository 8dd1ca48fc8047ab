/** Changes of the library's sources that a test has to notice. */
import type { Mutant } from '../../scripts/mutant.ts';

const causes = { specs: ['test/unit/errors/causes.spec.ts'] };
const podStart = { specs: ['test/unit/kubernetes/pod-start.spec.ts'] };
const podWatch = { specs: ['test/unit/kubernetes/pod-watch.spec.ts'] };
const launcher = { specs: ['test/unit/pods/pod-launcher.spec.ts'] };
const logs = { specs: ['test/unit/pods/pod-logs.spec.ts'] };
const pool = { specs: ['test/unit/pods/agent-pool.spec.ts'] };
const agentErrors = { specs: ['test/unit/agent/agent-error.spec.ts'] };
const timer = { specs: ['test/unit/internal/timer.spec.ts'] };
const podSpec = { specs: ['test/unit/kubernetes/pod-spec.spec.ts'] };

export const mutants: readonly Mutant[] = [
  // Causes, and what becomes of pods.
  {
    name: 'a full quota is a missing right',
    file: 'src/errors/causes.ts',
    find: "words: ['exceeded quota', 'status unknown for quota'], code: 'KW_ERR_QUOTA_EXCEEDED'",
    replace: "words: ['no such words'], code: 'KW_ERR_QUOTA_EXCEEDED'",
    killedBy: causes,
  },
  {
    name: "the socket of the container runtime is the program's file",
    file: 'src/errors/causes.ts',
    find: `  { source: 'exec', words: [...runtimeIsAway, ...runtimeIsSlow], code: 'KW_ERR_EXEC_HANDSHAKE_FAILED', ...passing },
`,
    replace: '',
    killedBy: causes,
  },
  {
    name: 'one refused pull is final',
    file: 'src/kubernetes/pod-start.ts',
    find: 'count >= 2 ||',
    replace: 'count >= 1 ||',
    killedBy: podStart,
  },
  {
    name: 'a busy registry is final',
    file: 'src/kubernetes/pod-start.ts',
    find: 'return now - since >= this.#imagePullMs;',
    replace: 'return now - since >= 0;',
    killedBy: podStart,
  },
  {
    name: 'words in the name of an image count',
    file: 'src/kubernetes/pod-status.ts',
    find: "const words = withoutNames(message ?? '', image);",
    replace: "const words = `${message ?? ''}${withoutNames('', image)}`;",
    killedBy: podStart,
  },
  {
    name: 'a container that ends at each start is waited for',
    file: 'src/kubernetes/pod-start.ts',
    find: 'const finalExits = 3;',
    replace: 'const finalExits = 300;',
    killedBy: podStart,
  },
  {
    name: 'what is not in a list is gone',
    file: 'src/kubernetes/pod-watch.ts',
    find: 'else if (!observer.isGone) void this.#ask(observer, signal);',
    replace: 'else if (!observer.isGone && !signal.aborted) observer.offer(undefined);',
    killedBy: podWatch,
  },
  {
    name: 'a pod of another uid is the same',
    file: 'src/kubernetes/pod-observer.ts',
    find: 'const pod = this.#uid === undefined || this.#uid === uid ? offered : undefined;',
    replace: 'const pod = offered;',
    killedBy: podWatch,
  },
  {
    name: 'the creation of a pod is not tried again',
    file: 'src/pods/pod-launcher.ts',
    find: 'error instanceof QuotaExceededError ? timeouts.schedulingMs : timeouts.startMs',
    replace: 'error instanceof QuotaExceededError ? timeouts.schedulingMs : -1',
    killedBy: launcher,
  },
  {
    name: 'there is no waiting for quota',
    file: 'src/pods/pod-launcher.ts',
    find: 'error instanceof QuotaExceededError ? timeouts.schedulingMs : timeouts.startMs',
    replace: 'error instanceof QuotaExceededError ? -1 : timeouts.startMs',
    killedBy: launcher,
  },
  {
    name: 'a pod may be of any size',
    file: 'src/kubernetes/pod-spec.ts',
    find: 'if (bytes > maxPodBytes)',
    replace: 'if (bytes > 10 * maxPodBytes)',
    killedBy: podSpec,
  },
  {
    name: 'a line of an earlier time is dropped',
    file: 'src/pods/pod-logs.ts',
    find: 'if (this.#again === undefined) return this.#give([line]);',
    replace: 'if (this.#again === undefined) return line.at < this.#latest ? [] : this.#give([line]);',
    killedBy: logs,
  },
  {
    name: 'clients of reaped pods are kept',
    file: 'src/pods/agent-pool.ts',
    find: 'if (idleSince !== undefined && idleSince <= before)',
    replace: 'if (idleSince !== undefined && idleSince < 0)',
    killedBy: pool,
  },
  {
    name: 'a pod chooses the labels of metrics',
    file: 'src/agent/agent-error.ts',
    find: "return TRANSFER_ERRORS.has(error.code) ? error.code : 'OTHER';",
    replace: 'return error.code;',
    killedBy: agentErrors,
  },
  {
    name: 'a long delay is over at once',
    file: 'src/internal/timer.ts',
    find: 'const partMs = Math.min(leftMs, longestPartMs);',
    replace: `const partMs = leftMs > longestPartMs ? 1 : leftMs;
    if (partMs === 1) leftMs = 1;`,
    killedBy: timer,
  },
  {
    name: 'text of a source is stored as bytes',
    file: 'src/artifacts/byte-limit.ts',
    find: 'if (!(chunk instanceof Uint8Array)) {',
    replace: "if (typeof chunk === 'string') chunk = Buffer.from(chunk);\n    if (!(chunk instanceof Uint8Array)) {",
    killedBy: { specs: ['test/unit/artifacts/compression.spec.ts'], grep: 'does not give bytes' },
  },
  {
    name: 'a source with an encoding is opened',
    file: 'src/artifacts/compression.ts',
    find: 'if (source.readableEncoding === null) return source;',
    replace: 'if (source.readable) return source;',
    killedBy: { specs: ['test/unit/artifacts/compression.spec.ts'], grep: 'does not give bytes' },
  },
  {
    name: 'garbage behind gzip data proves its end',
    file: 'src/artifacts/gzip-members.ts',
    find: 'this.#hasGarbage ||= !isZero(bytes);',
    replace: 'this.#hasGarbage ||= false;',
    killedBy: { specs: ['test/unit/artifacts/compression.spec.ts'], grep: 'decodeArchive of gzip' },
  },
  {
    name: 'a gzip member with another checksum is taken',
    file: 'src/artifacts/gzip-members.ts',
    find: 'if (trailer.readUInt32LE(0) !== this.#crc)',
    replace: 'if (trailer.readUInt32LE(0) !== this.#crc && this.#members === 0)',
    killedBy: { specs: ['test/unit/artifacts/compression.spec.ts'], grep: 'decodeArchive of gzip' },
  },
  {
    name: 'what follows the padding of zstd data is ignored',
    file: 'src/artifacts/zstd-frames.ts',
    find: "if (!isZero(rest)) throw new Error('something follows the padding');",
    replace: 'if (!isZero(rest)) return;',
    killedBy: { specs: ['test/unit/artifacts/compression.spec.ts'], grep: 'decodeArchive of zstd' },
  },
  {
    name: 'the end of a zstd frame is not looked for',
    file: 'src/artifacts/zstd-scanner.ts',
    find: 'size + (this.#hasChecksum ? 4 : 0)',
    replace: 'size',
    killedBy: { specs: ['test/unit/artifacts/compression.spec.ts'] },
  },
  {
    name: 'an old agent is sent a flag that it does not know',
    file: 'src/agent/upload-outbox.ts',
    find: 'isProven: isProven && this.#takesProof',
    replace: 'isProven',
    killedBy: { specs: ['test/unit/agent/upload.spec.ts'], grep: 'proven its end' },
  },
  {
    name: 'the end that an encoding proves is not told to the agent',
    file: 'src/agent/upload-feed.ts',
    find: 'isProven: this.#isProven?.() ?? false',
    replace: 'isProven: false',
    killedBy: { specs: ['test/unit/agent/upload.spec.ts'], grep: 'proven its end' },
  },
  {
    name: 'a source that pauses stalls its upload',
    file: 'src/agent/upload.ts',
    find: 'if (this.#isConnected && !this.#isSourceSilent) this.fail(error);',
    replace: 'if (this.#isConnected) this.fail(error);',
    killedBy: { specs: ['test/unit/agent/upload.spec.ts'], grep: 'stands still' },
  },
  {
    name: 'an agent that owes an acknowledgement never stalls',
    file: 'src/agent/upload.ts',
    find: 'return this.#waitsForSource && !this.#window.isOwed;',
    replace: 'return this.#waitsForSource;',
    killedBy: { specs: ['test/unit/agent/upload.spec.ts'], grep: 'stands still' },
  },
  {
    name: 'the target of a transfer between pods counts while its source is silent',
    file: 'src/agent/upload-feed.ts',
    find: 'await sink.waitForSource(this.#download.next());',
    replace: 'await sink.wait(this.#download.next());',
    killedBy: { specs: ['test/unit/agent/upload.spec.ts'], grep: 'stands still' },
  },
  {
    name: 'an input that changes is never given up',
    file: 'src/agent/repeatedly.ts',
    find: 'if (losses > MAX_LOSSES || changes > MAX_CHANGES) throw error;',
    replace: 'if (losses > MAX_LOSSES) throw error;',
    killedBy: { specs: ['test/unit/agent/repeatedly.spec.ts'] },
  },
  {
    name: 'an input that changes fails',
    file: 'src/agent/repeatedly.ts',
    find: 'if (signal?.aborted === true || !(isLost || isChanged)) throw error;',
    replace: 'if (signal?.aborted === true || !isLost) throw error;',
    killedBy: { specs: ['test/unit/agent/repeatedly.spec.ts'] },
  },
  {
    name: 'an input that changes is read again at once',
    file: 'src/agent/repeatedly.ts',
    find: '      if (isChanged) await clock.sleep(backoffMs(changes - 1, CHANGE_BACKOFF), { signal });\n',
    replace: '',
    killedBy: { specs: ['test/unit/agent/repeatedly.spec.ts'] },
  },
];
