import { watch } from 'node:fs';
import { dirname } from 'node:path';

/** What a watch reports. */
export interface FolderEvents {
  readonly onEvent: () => void;
  /** Receives the failure of the watch, after which no event follows. */
  readonly onError: (error: Error) => void;
}

/**
 * Reports changes in the folder of a file, until the returned function ends the watch. The folder is
 * watched and not the file: editors replace files, and Kubernetes replaces a link beside the files of a
 * mounted ConfigMap.
 */
export function watchFolderOf(file: string, { onEvent, onError }: FolderEvents): () => void {
  try {
    // Without `persistent`, so that a watch alone does not keep the process running.
    const watcher = watch(dirname(file), { persistent: false }, onEvent).on('error', onError);
    return () => watcher.close();
  } catch (error) {
    onError(error instanceof Error ? error : new Error(String(error)));
    return () => {};
  }
}
