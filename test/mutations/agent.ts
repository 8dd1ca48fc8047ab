/** Changes of the agent's C sources that a test has to notice. The specs run a build for this machine. */
import type { Mutant } from '../../scripts/mutant.ts';

const durability = { specs: ['test/integration/agent/durability.spec.ts'] };
const identity = { specs: ['test/integration/agent/identity.spec.ts'] };
const proof = { specs: ['test/integration/agent/proof.spec.ts'] };
const transfer = { specs: ['test/integration/agent/transfer.spec.ts'] };
const archives = { specs: ['test/integration/agent/archives.spec.ts'] };
const archiveFaults = { specs: ['test/long/agent/archive-faults.spec.ts'] };
const flush = { specs: ['test/integration/agent/flush.spec.ts'] };
const digest = { specs: ['test/integration/agent/send-digest.spec.ts'] };
const start = { specs: ['test/integration/agent/start.spec.ts'] };
const fence = { specs: ['test/integration/agent/fence.spec.ts'] };
const recovery = { specs: ['test/integration/agent/recovery.spec.ts'] };
const otherUsers = { specs: ['test/integration/agent/other-users.spec.ts'] };
const liveness = { specs: ['test/integration/agent/liveness.spec.ts'] };
const stop = { specs: ['test/integration/agent/stop.spec.ts'] };
const reach = { specs: ['test/integration/agent/reach.spec.ts'] };
const sampled = (grep: string) => ({ specs: ['test/long/agent/sampled-faults.spec.ts'], grep });
const everyCall = (grep: string) => ({ specs: ['test/long/agent/faults.spec.ts'], grep });

export const mutants: readonly Mutant[] = [
  // What is on the disk before what.
  {
    name: 'a small file is moved to its name before it is on the disk',
    file: 'agent/src/base/io.c',
    find: '        ftruncate(fd, (off_t)length) == 0 && fsync(fd) == 0 && renameat(folder, temporary, folder, name) == 0 &&\n        fsync(folder) == 0) {',
    replace:
      '        ftruncate(fd, (off_t)length) == 0 && renameat(folder, temporary, folder, name) == 0 && fsync(folder) == 0) {',
    killedBy: durability,
  },
  {
    name: "a small file's name is not made durable",
    file: 'agent/src/base/io.c',
    find: '        ftruncate(fd, (off_t)length) == 0 && fsync(fd) == 0 && renameat(folder, temporary, folder, name) == 0 &&\n        fsync(folder) == 0) {',
    replace:
      '        ftruncate(fd, (off_t)length) == 0 && fsync(fd) == 0 && renameat(folder, temporary, folder, name) == 0) {',
    killedBy: durability,
  },
  {
    name: 'the journal is not on the disk',
    file: 'agent/src/volume/journal.c',
    find: 'if (fsync(file) != 0)',
    replace: 'if (false)',
    killedBy: durability,
  },
  {
    name: "the journal's name is not on the disk",
    file: 'agent/src/volume/journal.c',
    find: 'if (fsync(journal->staging) != 0)',
    replace: 'if (false)',
    killedBy: durability,
  },
  {
    name: 'output is not on the disk before the result',
    file: 'agent/src/process/output.c',
    find: 'int result = fdatasync(fd);',
    replace: 'int result = 0;',
    killedBy: durability,
  },
  {
    name: "a process's folder is not on the disk before the start",
    file: 'agent/src/process/record.c',
    find: '    return fsync(state->processes);',
    replace: '    return state->processes < 0;',
    killedBy: durability,
  },
  {
    name: 'that a process is forgotten is not on the disk',
    file: 'agent/src/process/record.c',
    find: 'return result == 0 ? fsync(state->processes) : -1;',
    replace: 'return result;',
    killedBy: durability,
  },
  {
    name: 'a commit is marked after the moves',
    file: 'agent/src/volume/commit.c',
    find: '    int result = failure->code != NULL || (ready != NULL && ready(context, failure) != 0) ? -1 : 0;\n    close_fd(&reserved);\n    if (result != 0) {\n        return -1;\n    }\n    if (make_writable(commit, failure) != 0) {\n        return -1;\n    }\n    if (visit_staged(commit, move_entry, failure) != 0) {',
    replace:
      '    close_fd(&reserved);\n    if (failure->code != NULL || make_writable(commit, failure) != 0) {\n        return -1;\n    }\n    if (visit_staged(commit, move_entry, failure) != 0) {\n        return -1;\n    }\n    if (ready != NULL && ready(context, failure) != 0) {',
    killedBy: durability,
  },
  {
    name: 'a start is recorded after the exec',
    file: 'agent/src/process/supervisor_spawn.c',
    find: '    if (record_write_start(supervisor->state, supervisor->folder, &supervisor->start) != 0) {\n        return fail_setup(failure, "store the start");\n    }\n    if (start_leader(supervisor, &ends, failure) != 0) {\n        return -1;',
    replace:
      '    if (start_leader(supervisor, &ends, failure) != 0) {\n        return -1;\n    }\n    if (record_write_start(supervisor->state, supervisor->folder, &supervisor->start) != 0) {\n        return fail_setup(failure, "store the start");',
    killedBy: durability,
  },
  {
    name: 'a status is not stored before the rest of the output is waited for',
    file: 'agent/src/process/supervisor_loop.c',
    find: 'supervisor->exit_stored = record_write_exit(supervisor->folder, &supervisor->result) == 0;',
    replace: 'supervisor->exit_stored = true;',
    killedBy: durability,
  },
  {
    name: 'a result is not stored',
    file: 'agent/src/process/supervisor_loop.c',
    find: 'record_write_result(supervisor->folder, &supervisor->result)',
    replace: '0',
    killedBy: durability,
  },
  // What a crash leaves.
  {
    name: 'a restart completes nothing',
    file: 'agent/src/serve/recover.c',
    find: '    each_id(state->operations, complete, state);\n',
    replace: '    (void)complete;\n',
    killedBy: sampled('restart'),
  },
  {
    name: 'a restart leaves staging',
    file: 'agent/src/serve/recover.c',
    find: '    each_id(state->volumes, clear_staging, state);\n',
    replace: '    (void)clear_staging;\n',
    killedBy: sampled('receive'),
  },
  {
    name: 'a commit that a restart completes forgets its outcome',
    file: 'agent/src/transfer/volume_folder.c',
    find: '    if (commit->marked) {',
    replace: '    if (commit->marked && commit->path == NULL) {',
    killedBy: sampled('restart'),
  },
  {
    name: 'a start does not look whether the id was started before',
    file: 'agent/src/process/operation_start.c',
    find: '    int found = was_started(session, id, before);\n    if (found == 0) {',
    replace: '    int found = was_started(session, id, before);\n    if (found >= 0) {',
    killedBy: sampled('start'),
  },
  {
    name: 'a digest of any length is accepted',
    file: 'agent/src/process/spec.c',
    find: '!hex_is(spec->digest, SPEC_DIGEST_DIGITS)',
    replace: '!hex_is(spec->digest, strlen(spec->digest))',
    killedBy: { specs: ['test/integration/agent/start.spec.ts'], grep: 'a digest that is not' },
  },
  {
    name: 'a process forgets the digest of its specification',
    file: 'agent/src/process/record.c',
    find: 'memcpy(start->spec_digest, digest, strlen(digest) + 1);',
    replace: 'start->spec_digest[0] = 0;',
    killedBy: { specs: ['test/integration/agent/start.spec.ts'], grep: 'keeps the digest' },
  },
  {
    name: 'a result has no digest of its specification',
    file: 'agent/src/process/process_link.c',
    find: '    record_put_spec_digest(&out, &link->start);',
    replace: '',
    killedBy: { specs: ['test/integration/agent/start.spec.ts'], grep: 'keeps the digest' },
  },
  {
    name: 'a process without a result counts as running after a restart',
    file: 'agent/src/process/process_link.c',
    find: '    link->lost = found == 0;',
    replace: '    link->lost = false;',
    killedBy: sampled('restart'),
  },
  // Calls that do less.
  {
    name: 'a short write loses the rest',
    file: 'agent/src/base/io.c',
    find: '            length -= (size_t)written;',
    replace: '            length = 0;',
    killedBy: everyCall('start with cut'),
  },
  {
    name: 'a short read is the end of a file',
    file: 'agent/src/base/io.c',
    find: '        length += (size_t)got;\n    }\n    close(fd);',
    replace: '        length += (size_t)got;\n        break;\n    }\n    close(fd);',
    killedBy: everyCall('restart with cut'),
  },
  {
    name: 'an interrupted read of a file is a failure',
    file: 'agent/src/base/io.c',
    find: '        if (got < 0 && errno == EINTR) {\n            continue;\n        }',
    replace: '',
    killedBy: everyCall('restart with EINTR'),
  },
  {
    name: 'a short send loses the rest',
    file: 'agent/src/serve/session_io.c',
    find: '            done += (size_t)sent;',
    replace: '            done = all;',
    killedBy: everyCall('receive with cut'),
  },
  {
    name: 'the rest of the pipes is not read at the end',
    file: 'agent/src/process/supervisor_loop.c',
    find: '    supervisor->result.finished_at = wall_ms();\n',
    replace:
      '    supervisor->allowance = supervisor->spec->unacked_limit;\n    supervisor->result.finished_at = wall_ms();\n',
    killedBy: { specs: ['test/integration/agent/drain.spec.ts'] },
  },
  // Permissions, and the identity of the process.
  {
    name: "a command keeps the agent's groups",
    file: 'agent/src/process/launch.c',
    find: 'if (setgroups(',
    replace: 'if (false && setgroups(',
    killedBy: identity,
  },
  {
    name: 'every user may speak with the agent',
    file: 'agent/src/base/socket.c',
    find: 'return peer.uid == geteuid() || peer.uid == 0;',
    replace: 'return true;',
    killedBy: identity,
  },
  {
    name: 'a command has descriptors of the agent',
    file: 'agent/src/process/launch.c',
    find: '    close_on_exec_from(3);\n    if (prepare',
    replace: '    if (prepare',
    killedBy: start,
  },
  {
    name: 'a command ignores what the agent ignores',
    file: 'agent/src/process/launch.c',
    find: '    reset_signals();\n    close_on_exec',
    replace: '    (void)reset_signals;\n    close_on_exec',
    killedBy: start,
  },
  // Proof.
  {
    name: 'an upload with another digest is committed',
    file: 'agent/src/serve/streams.c',
    find: 'if (memcmp(digest, end->digest, sizeof digest) != 0)',
    replace: 'if (false)',
    killedBy: transfer,
  },
  {
    name: 'an upload of another length is committed',
    file: 'agent/src/serve/streams.c',
    find: 'if (end->total != receiving->received)',
    replace: 'if (false)',
    killedBy: proof,
  },
  {
    name: 'bytes that do not continue the stream are taken',
    file: 'agent/src/serve/streams.c',
    find: 'else if (data->offset != receiving->received)',
    replace: 'else if (false)',
    killedBy: transfer,
  },
  {
    name: 'bytes beyond the window are taken',
    file: 'agent/src/serve/streams.c',
    find: 'else if (!receiving->granted || data->offset + data->raw_length > receiving->limit)',
    replace: 'else if (false)',
    killedBy: proof,
  },
  {
    name: 'a commit does not look before it changes something',
    file: 'agent/src/volume/commit.c',
    find: '    if (visit_staged(commit, check_entry, failure) != 0) {',
    replace: '    if (commit->target < 0 && visit_staged(commit, check_entry, failure) != 0) {',
    killedBy: transfer,
  },
  {
    name: 'a stop leaves what outlives its grace',
    file: 'agent/src/process/supervisor_stop.c',
    find: '        supervisor_signal(supervisor, SIGKILL);',
    replace: '        supervisor_signal(supervisor, SIGCONT);',
    killedBy: { ...stop, grep: 'kills the group after the grace' },
  },
  {
    name: 'a second extended header does not replace the first',
    file: 'agent/src/tar/tar_read.c',
    find: '        forget_pax(reader);\n',
    replace: '        if (reader->zero_blocks > 0) forget_pax(reader);\n',
    killedBy: { specs: ['test/integration/agent/tar-metadata.spec.ts'], grep: 'second extended header' },
  },
  {
    name: 'an archive without its closing block is whole although nothing proves it',
    file: 'agent/src/tar/tar_read.c',
    find: '    if (proven && reader->has_entries && is_between_entries(reader)) {',
    replace: '    if ((proven || reader->has_entries) && is_between_entries(reader)) {',
    killedBy: { specs: ['test/integration/agent/tar-metadata.spec.ts'], grep: 'the end of an archive' },
  },
  {
    name: 'an archive that ends before the entry of an extended header is whole',
    file: 'agent/src/tar/tar_read.c',
    find: 'reader->filled == 0 && !reader->lacks_entry;',
    replace: 'reader->filled == 0;',
    killedBy: { specs: ['test/integration/agent/tar-metadata.spec.ts'], grep: 'the end of an archive' },
  },
  {
    name: 'END does not say that the encoding has proven the end',
    file: 'agent/src/serve/streams.c',
    find: '    receiving->proven = end->proven;\n',
    replace: '',
    killedBy: { specs: ['test/integration/agent/tar-metadata.spec.ts'], grep: 'the end of an archive' },
  },
  {
    name: 'an exponent in a time is ignored',
    file: 'agent/src/tar/tar_time.c',
    find: 'number->whole = number->before + shift;',
    replace: 'number->whole = number->before;',
    killedBy: { specs: ['test/integration/agent/tar-metadata.spec.ts'], grep: 'decimal number' },
  },
  {
    name: 'a time before 1970 is cut towards the future',
    file: 'agent/src/tar/tar_time.c',
    find: '    if (number.negative && has_rest(&number)) {',
    replace: '    if (number.negative && has_rest(&number) && seconds < 0) {',
    killedBy: { specs: ['test/integration/agent/tar-metadata.spec.ts'], grep: 'decimal number' },
  },
  {
    name: 'the first entry of a folder says what its mode is',
    file: 'agent/src/volume/tree_writer_folders.c',
    find: '    if (found != NULL) {',
    replace: '    if (found != NULL && (*found)->mode == 0) {',
    killedBy: { specs: ['test/integration/agent/tar-metadata.spec.ts'], grep: 'comes twice' },
  },
  {
    name: 'a folder that no entry describes changes the one that the volume has',
    file: 'agent/src/volume/commit.c',
    find: 'bool implicit = staged.st_atim.tv_sec == IMPLICIT_ACCESS_SECONDS && staged.st_atim.tv_nsec == 0;',
    replace: 'bool implicit = false;',
    killedBy: { specs: ['test/integration/agent/tar-metadata.spec.ts'], grep: 'no entry describes' },
  },
  {
    name: 'what lies too deep to be read is taken',
    file: 'agent/src/tar/unpack.c',
    find: 'if (!is_normal || strlen(path) > unpack->path_max)',
    replace: 'if (!is_normal)',
    killedBy: { specs: ['test/integration/agent/tar-metadata.spec.ts'], grep: 'too deep' },
  },
  {
    name: 'a hard link to a symbolic link loses its group',
    file: 'agent/src/tar/pack.c',
    find: '    if (seen != 0) {\n        return seen < 0 ? -1 : put_header(pack, TAR_HARD_LINK, &status, path, failure);',
    replace: '    if (seen < 0) {\n        return -1;',
    killedBy: { specs: ['test/integration/agent/tar-metadata.spec.ts'], grep: 'hard link to a symbolic link' },
  },
  // Processes.
  {
    name: 'notes behind a reset connection are dropped',
    file: 'agent/src/process/supervisor_attachments.c',
    find: 'errno == ECONNRESET || errno == EINTR',
    replace: 'errno == EINTR',
    killedBy: { specs: ['test/integration/agent/stdin.spec.ts'], grep: 'sent before BYE' },
  },
  {
    name: 'stdin of an earlier turn counts',
    file: 'agent/src/process/attach.c',
    find: '!attach->owns || session->ponged < attach->barrier ||',
    replace: '!attach->owns ||',
    killedBy: { specs: ['test/integration/agent/stdin.spec.ts'], grep: 'drops what a host sent' },
  },
  {
    name: 'a result after TERM is not marked',
    file: 'agent/src/process/supervisor_loop.c',
    find: 'supervisor->result.shutdown = shutting_down(supervisor);',
    replace: 'supervisor->result.shutdown = shutting_down(supervisor) && false;',
    killedBy: { specs: ['test/integration/agent/stop.spec.ts'], grep: 'marks the results' },
  },
  {
    name: 'serve exits with 0 after TERM',
    file: 'agent/src/serve/serve.c',
    find: 'return 128 + server.stopping;',
    replace: 'return 0;',
    killedBy: { specs: ['test/integration/agent/stop.spec.ts'], grep: 'exits with 143' },
  },
  {
    name: 'the space of a result is not reserved',
    file: 'agent/src/process/supervisor_spawn.c',
    find: 'record_reserve(supervisor->folder) != 0 || ',
    replace: '',
    killedBy: { specs: ['test/long/agent/full-disk.spec.ts'], grep: 'reports its result' },
  },
  {
    name: 'what is acknowledged stays on a full disk',
    file: 'agent/src/process/supervisor_output.c',
    find: '        output_free(&supervisor->output[i]);',
    replace: '        output_trim(&supervisor->output[i], supervisor->spec->retain);',
    killedBy: { specs: ['test/long/agent/full-disk.spec.ts'], grep: 'frees all' },
  },
  {
    name: 'a lower attempt that waited runs after a higher one',
    file: 'agent/src/serve/serve_table.c',
    find: 'answer(&table->sessions[i], REPLY_REFUSED, GONE_UNKNOWN);',
    replace: 'continue;',
    killedBy: { specs: ['test/integration/agent/operation-ids.spec.ts'], grep: 'lower attempt' },
  },
  // The fence, markers, other users, pings.
  {
    name: 'an operation of an older generation begins',
    file: 'agent/src/serve/serve_table.c',
    find: '    if (!is_stale(table, entry)) {\n        send_reply(entry, &reply, -1);',
    replace: '    if (entry->serial != 0) {\n        send_reply(entry, &reply, -1);',
    killedBy: fence,
  },
  {
    name: 'the fence does not outlive a restart',
    file: 'agent/src/serve/serve.c',
    find: '    server->table.generation = server->state.generation;\n',
    replace: '',
    killedBy: fence,
  },
  {
    name: 'the fence does not wait for older operations',
    file: 'agent/src/serve/serve_table.c',
    find: 'if (!entry->fencing || entry->generation > lowest)',
    replace: 'if (!entry->fencing)',
    killedBy: fence,
  },
  {
    name: 'staging is removed although it may have a marker',
    file: 'agent/src/serve/recover.c',
    find: 'if (entry_exists(state->operations, operation) != 0)',
    replace: 'if (entry_exists(state->operations, operation) > 1)',
    killedBy: recovery,
  },
  {
    name: 'a removed volume leaves what an unfinished commit has staged',
    file: 'agent/src/transfer/volume_folder.c',
    find: 'if (each_unfinished(&emptying, discard_staged) != 0 ||\n        empty_folder',
    replace: 'if ((false && each_unfinished(&emptying, discard_staged) != 0) ||\n        empty_folder',
    killedBy: recovery,
  },
  {
    name: 'a restart writes the marker anew, without its result',
    file: 'agent/src/transfer/volume_folder.c',
    find: '    if (commit->marked) {',
    replace: '    if (commit->path == NULL) {',
    killedBy: recovery,
  },
  {
    name: 'connect speaks with any peer',
    file: 'agent/src/serve/connect.c',
    find: '    if (fstat(folder, &status) == 0 && (status.st_uid == geteuid() || status.st_uid == 0) &&\n        socket_peer_allowed(socket)) {',
    replace: '    if (fstat(folder, &status) == 0 && (status.st_uid == geteuid() || status.st_uid == 0)) {',
    killedBy: otherUsers,
  },
  {
    name: 'root makes folders behind a link of another user',
    file: 'agent/src/process/directory.c',
    find: 'if (directory->user != NULL && directory->untrusted) {',
    replace: 'if (directory->user != NULL && directory->links < 0) {',
    killedBy: otherUsers,
  },
  {
    name: 'a PING that came together with OPEN waits',
    file: 'agent/src/serve/session_io.c',
    find: '    answer_pings(session); /* of those that came together with OPEN */\n',
    replace: '',
    killedBy: liveness,
  },

  // The network probe.
  {
    name: 'a connection that times out counts as established',
    file: 'agent/src/serve/reach.c',
    find: '            failure = ETIMEDOUT;',
    replace: '            failure = 0;',
    killedBy: reach,
  },
  {
    name: 'a refused connection counts as unreachable',
    file: 'agent/src/serve/reach.c',
    find: 'failure == 0 || failure == ECONNREFUSED',
    replace: 'failure == 0',
    killedBy: reach,
  },
  {
    name: 'a missing variable counts as unreachable',
    file: 'agent/src/serve/reach.c',
    find: '        return misuse("KUBERNETES_SERVICE_HOST or KUBERNETES_SERVICE_PORT is not set");',
    replace: '        return REACH_UNREACHABLE;',
    killedBy: reach,
  },
  // Archive files.
  {
    name: 'a failed close of an archive file is ignored',
    file: 'agent/src/archive/archive_file.c',
    find: '    if (close(fd) != 0) {\n',
    replace: '    if (close(fd) != 0 && errno == 0) {\n',
    killedBy: archiveFaults,
  },
  {
    name: 'every failed flush of an archive file is ignored',
    file: 'agent/src/archive/archive_file.c',
    find: 'return result == 0 || errno == EINVAL ||',
    replace: 'return result == 0 || errno != 0 || errno == EINVAL ||',
    killedBy: archiveFaults,
  },
  {
    name: 'a file system that cannot flush fails a write',
    file: 'agent/src/archive/archive_file.c',
    find: ' || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -1;',
    replace: ' ? 0 : -1;',
    killedBy: archiveFaults,
  },
  {
    name: 'an archive file is written over another',
    file: 'agent/src/archive/archive_file.c',
    find: 'O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW',
    replace: 'O_WRONLY | O_CREAT | O_NOFOLLOW',
    killedBy: archives,
  },
  {
    name: 'the size of a written archive file is not checked',
    file: 'agent/src/archive/archive_file.c',
    find: ' || (uint64_t)status.st_size != file->written) {',
    replace: ') {',
    killedBy: archives,
  },
  {
    name: 'a failed write leaves its archive file',
    file: 'agent/src/archive/archive_file.c',
    find: '        unlinkat(file->folder, file->key->parts[2], 0);\n',
    replace: '',
    killedBy: archives,
  },
  {
    name: 'a cancelled write keeps its archive file',
    file: 'agent/src/transfer/transfer.c',
    find: '    return phase_end(&phase, over ? -1 : result, &failure);',
    replace: '    return phase_end(&phase, result, &failure);',
    killedBy: flush,
  },
  {
    name: 'pings are not answered during a flush',
    file: 'agent/src/transfer/transfer.c',
    find: '        over = phase_check(&phase) || over;',
    replace: '',
    killedBy: flush,
  },
  {
    name: 'a part of a key may begin with a dot',
    file: 'agent/src/archive/archive_key.c',
    find: "    if (*name == 0 || *name == '.') {",
    replace: '    if (*name == 0) {',
    killedBy: archives,
  },
  {
    name: 'an archive file that shrinks ends early',
    file: 'agent/src/archive/operation_archive_read.c',
    find: '    if (count == 0) {\n        return fail_path(',
    replace: '    if (count == 0) {\n        return 0;\n        fail_path(',
    killedBy: archives,
  },
  {
    name: 'a digest cannot be cancelled',
    file: 'agent/src/transfer/operation_send.c',
    find: '        if (phase_progress(phase, stats.entries, hashed->bytes) != 0) {',
    replace: '        if (phase_progress(phase, stats.entries, hashed->bytes) > 1) {',
    killedBy: digest,
  },
];
