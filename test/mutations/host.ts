/** Changes of the library's sources that a test has to notice. */
import type { Mutant } from '../../scripts/mutant.ts';

const downloads = { specs: ['test/unit/agent/download.spec.ts'] };
const windows = { specs: ['test/unit/agent/windows.spec.ts'] };
const attachments = { specs: ['test/unit/agent/attachment.spec.ts'] };
const reaper = { specs: ['test/unit/controllers/reaper.spec.ts'] };
const rows = (grep: string) => ({ specs: ['test/integration/repository/pglite.spec.ts'], grep });
const cluster = { specs: ['test/integration/kubernetes/client-node-cluster.spec.ts'] };
const worker = (grep: string) => ({ specs: ['test/integration/worker/worker.spec.ts'], grep });
const volumes = { specs: ['test/unit/worker/stored-volume.spec.ts'] };
const leases = { specs: ['test/unit/worker/hold-lease.spec.ts'] };
const creations = { specs: ['test/unit/worker/find-or-create-container.spec.ts'] };
const containers = 'src/repository/postgres/postgres-container-repository.ts';
const reaping = 'src/controllers/reaper.ts';

export const mutants: readonly Mutant[] = [
  // Proof of transfers and output.
  {
    name: 'a download ends without a look at its digest',
    file: 'src/agent/download.ts',
    find: 'if (sha256 !== result.sha256) {',
    replace: 'if (sha256 === undefined) {',
    killedBy: downloads,
  },
  {
    name: "a download ends where RESULT and END differ, by the agent's word",
    file: 'src/agent/download-operation.ts',
    find: "if (result.bytes !== end.total || result.sha256 !== end.digest.toString('hex'))",
    replace: 'if (result.bytes < 0)',
    killedBy: downloads,
  },
  {
    name: 'output is not compared with its digest',
    file: 'src/agent/output-stream.ts',
    find: 'if (told !== undefined && told !== sha256)',
    replace: 'if (told === undefined && told !== sha256 && sha256 === undefined)',
    killedBy: attachments,
  },
  {
    name: 'output ends before all of it has come',
    file: 'src/agent/output-stream.ts',
    find: 'if (frame.total !== this.#window.received)',
    replace: 'if (frame.total < 0)',
    killedBy: attachments,
  },
  {
    name: 'bytes that do not continue the stream are taken',
    file: 'src/agent/receive-window.ts',
    find: 'if (offset !== this.#received) throw',
    replace: 'if (offset < 0) throw',
    killedBy: windows,
  },
  {
    name: 'bytes beyond the window are taken',
    file: 'src/agent/receive-window.ts',
    find: 'if (offset + rawLength > limit) throw',
    replace: 'if (offset + rawLength < 0) throw',
    killedBy: windows,
  },
  {
    name: 'a window may go back',
    file: 'src/agent/send-window.ts',
    find: 'if (acknowledged < this.#acknowledged || limit < this.#limit) throw',
    replace: 'if (acknowledged < 0) throw',
    killedBy: windows,
  },
  {
    name: 'what was not sent may be acknowledged',
    file: 'src/agent/send-window.ts',
    find: 'if (acknowledged > this.#sent)\n      throw',
    replace: 'if (acknowledged < 0)\n      throw',
    killedBy: windows,
  },
  {
    name: 'output that was not delivered is acknowledged as stored',
    file: 'src/agent/output-stream.ts',
    find: 'this.#window.stored(Math.min(offset, this.#position));',
    replace: 'this.#window.stored(offset);',
    killedBy: attachments,
  },
  {
    name: 'a source is left open where its upload fails',
    file: 'src/worker/stored-volume.ts',
    find: 'if (source instanceof Readable) source.destroy();',
    replace: 'void Readable;',
    killedBy: volumes,
  },
  // Pods and rows.
  {
    name: 'a row is deleted before its pod',
    file: reaping,
    find: `        if (await this.#removePod(container, options)) deletedPods += 1;
        const volumesOfIt = await containers.delete(container.handle, options);
`,
    replace: `        const volumesOfIt = await containers.delete(container.handle, options);
        if (await this.#removePod(container, options)) deletedPods += 1;
`,
    killedBy: reaper,
  },
  {
    name: 'a volume without a store is forgotten',
    file: reaping,
    find: 'if (store === undefined) throw new StoreNotConfiguredError(volume.store);',
    replace: 'if (store === undefined) return false;',
    killedBy: reaper,
  },
  {
    name: 'one row that cannot be reaped stops the others',
    file: reaping,
    find: "            this.#components.logger.warn('not reaped', { handle: row.handle, error });",
    replace: '            throw error;',
    killedBy: reaper,
  },
  {
    name: "a proxy's 404 is taken for absence",
    file: 'src/kubernetes/client-node-cluster.ts',
    find: "if (error instanceof ApiError && error.status === 404 && error.reason === 'NotFound') return undefined;",
    replace: 'if (error instanceof ApiError && error.status === 404) return undefined;',
    killedBy: cluster,
  },
  {
    name: 'a pod is deleted by its name alone',
    file: 'src/kubernetes/client-node-cluster.ts',
    find: '...(uid === undefined ? {} : { preconditions: { uid } })',
    replace: '...{}',
    killedBy: cluster,
  },
  {
    name: 'a container is made again whose pod is gone',
    file: 'src/worker/find-or-create-container.ts',
    find: 'if (!(await pods.exists(podName, { ...options, uid: podUid }))) throw',
    replace: 'if (podUid === podName && !(await pods.exists(podName, { ...options, uid: podUid }))) throw',
    killedBy: worker('CONTAINER_DISAPPEARED where its pod is gone'),
  },
  // Leases and states.
  {
    name: 'a stale holder moves the row',
    file: containers,
    find: "(state = 'creating' and lease_holder = ${holder}))\n          returning id",
    replace: "(state = 'creating' and ${holder}::text is not null))\n          returning id",
    killedBy: rows('moves of a container'),
  },
  {
    name: 'a row moves out of any state',
    file: containers,
    find: "where handle = ${handle} and (state = ${sql.lit(to)} or (state = 'creating' and lease_holder = ${holder}))",
    replace: "where handle = ${handle} and (state <> 'creating' or lease_holder = ${holder})",
    killedBy: rows('moves of a container'),
  },
  {
    name: "a stale holder records its pod's uid",
    file: containers,
    find: "where handle = ${handle} and state = 'creating' and lease_holder = ${holder} returning 1`",
    replace: "where handle = ${handle} and state = 'creating' and ${holder}::text is not null returning 1`",
    killedBy: rows('moves of a container'),
  },
  {
    name: 'a live row is deleted',
    file: containers,
    find: "delete from ${containers} where handle = ${handle} and state = 'destroying' returning id",
    replace: 'delete from ${containers} where handle = ${handle} returning id',
    killedBy: rows('Repository on PGlite delete'),
  },
  {
    name: 'a lease passes without a new generation',
    file: 'src/repository/postgres/find-or-insert.ts',
    find: 'then 0 else 1 end',
    replace: 'then 0 else 0 end',
    killedBy: rows('findOrInsert'),
  },
  {
    name: 'a lease is taken from its holder',
    file: 'src/repository/postgres/find-or-insert.ts',
    find: '(lease_holder is null or lease_holder = ${lease.holder} or lease_until < now())',
    replace: '(lease_holder is null or lease_holder = ${lease.holder} or lease_until > now())',
    killedBy: rows('findOrInsert'),
  },
  {
    name: 'work goes on when the lease is over',
    file: 'src/worker/hold-lease.ts',
    find: '.then(lose, () => undefined);',
    replace: '.then(() => void lose, () => undefined);',
    killedBy: leases,
  },
  {
    name: 'a container is worked on before its pod is fenced',
    file: 'src/worker/find-or-create-container.ts',
    find: '  await pods.fence(container, generation, options);\n',
    replace: '  void generation;\n',
    killedBy: creations,
  },
  // Results.
  {
    name: 'wait resolves before the result is stored',
    file: 'src/worker/pod-process.ts',
    find: '    await this.#record(result, (await this.#target.resultProperties?.(told)) ?? {}, signal);\n    return told;',
    replace: '    void this.#record(result, (await this.#target.resultProperties?.(told)) ?? {}, signal).catch(() => undefined);\n    return told;',
    killedBy: worker('properties stored in one step with its result'),
  },
  {
    name: 'a kill for memory is a result like any other',
    file: 'src/worker/process-outcome.ts',
    find: 'if (kills > 0 && exitStatus === 137) throw memoryKill();',
    replace: 'if (kills < 0 && exitStatus === 137) throw memoryKill();',
    killedBy: { specs: ['test/unit/worker/process-outcome.spec.ts'] },
  },
  {
    name: "a command that its container's end has ended gives its own result",
    file: 'src/worker/pod-process.ts',
    find: '    if (!result.shutdown) return;\n',
    replace: '    if (!result.shutdown || pods !== undefined) return;\n',
    killedBy: { specs: ['test/unit/worker/pod-process.spec.ts'] },
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
