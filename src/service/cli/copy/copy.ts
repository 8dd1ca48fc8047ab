import type { Worker } from '../../../index.ts';
import type { CliContext } from '../cli-context.ts';
import { UsageError } from '../cli-error.ts';
import { type Copied, counted } from './counted.ts';
import { download } from './download.ts';
import { isRemote, type LocalPlace, type Place, parsePlace, type RemotePlace } from './place.ts';
import { type Progress, withProgress } from './progress.ts';
import { findRemote } from './remote.ts';
import { upload, uploadSource } from './upload.ts';

export interface CopyOptions {
  readonly force: boolean;
  readonly isQuiet: boolean;
}

/** Where a copy goes from and to. At least one end is a volume. */
export type CopyPlan =
  | { readonly from: LocalPlace; readonly to: RemotePlace }
  | { readonly from: RemotePlace; readonly to: Place };

/** @throws UsageError */
export function planCopy(source: string, target: string): CopyPlan {
  const [from, to] = [parsePlace(source), parsePlace(target)];
  if (isRemote(from)) return { from, to };
  if (isRemote(to)) return { from, to };
  throw new UsageError(
    'neither the source nor the target is in a container or a volume',
    'write one of them as HANDLE:PATH or volume:HANDLE:PATH',
  );
}

/** Copies, and shows the progress on stderr. */
export async function copy(
  worker: Worker,
  { from, to }: CopyPlan,
  { force, isQuiet }: CopyOptions,
  { stdin, stdout, stderr, signal }: CliContext,
): Promise<Copied> {
  const shown = <T>(totalBytes: number | undefined, work: (progress: Progress) => Promise<T>): Promise<T> =>
    withProgress(stderr, { totalBytes, isQuiet }, work);
  if (!isRemote(from)) {
    if (!isRemote(to)) throw new TypeError('one end is a volume');
    const target = await findRemote(worker, to, signal);
    const skipped = (path: string): void => void stderr.write(`left out, because it is not a file: ${path}\n`);
    const source = await uploadSource(from, target.path, { stdin, skipped });
    return await shown(source.totalBytes, (progress) => upload(source, target, progress, signal));
  }
  const source = await findRemote(worker, from, signal);
  const { sizeBytes } = source.path === '' ? await source.volume.status({ signal }) : { sizeBytes: undefined };
  if (!isRemote(to))
    return await shown(sizeBytes, (progress) => download(source, to, { stdout, force, progress, signal }));
  const target = await findRemote(worker, to, signal);
  return await shown(sizeBytes, async (progress) => {
    const open = async (): Promise<AsyncGenerator<Uint8Array>> => {
      progress.restart();
      return counted(await source.volume.streamOut(source.path, { signal }), progress);
    };
    const { digest, rawBytes } = await target.volume.streamIn(target.path, open, { signal });
    return { digest, bytes: rawBytes };
  });
}
