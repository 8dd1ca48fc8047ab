import { isKubernetesWorkerError } from '../errors/error-code.ts';
import type { CheckFinding, CheckName } from '../runtime/check.ts';

export function ok(check: CheckName, message: string): CheckFinding {
  return { check, outcome: 'ok', message, advice: undefined, error: undefined };
}

export function warning(check: CheckName, message: string, advice: string): CheckFinding {
  return { check, outcome: 'warning', message, advice, error: undefined };
}

export function skipped(check: CheckName, message: string): CheckFinding {
  return { check, outcome: 'skipped', message, advice: undefined, error: undefined };
}

/** Returns the finding for a check that threw an error. */
export function failure(check: CheckName, error: unknown): CheckFinding {
  const cause = error instanceof Error ? error : new Error(String(error));
  return { check, outcome: 'failure', message: cause.message, advice: adviceFor(cause), error: cause };
}

function adviceFor(error: Error): string | undefined {
  if (!isKubernetesWorkerError(error)) return undefined;
  switch (error.code) {
    case 'KW_ERR_API_UNAVAILABLE':
      return "Check the server's address in the kubeconfig, its certificate authority, and the network to it.";
    case 'KW_ERR_UNAUTHORIZED':
    case 'KW_ERR_CREDENTIALS_UNAVAILABLE':
      return 'Check the credentials of the kubeconfig: the token, the certificate or the plug-in.';
    case 'KW_ERR_FORBIDDEN':
      return 'Grant the permission that the message names: see docs/rbac.md.';
    case 'KW_ERR_AGENT_NOT_INSTALLED':
      return "Create the agent's config map before the worker opens: see docs/rbac.md.";
    case 'KW_ERR_QUOTA_EXCEEDED':
      return 'Raise the quota of the namespace, or wait until pods end.';
    case 'KW_ERR_ADMISSION_DENIED':
      return "Adapt the option `pods` to the namespace's rules. For Pod Security: `security: 'restricted'`.";
    case 'KW_ERR_IMAGE_PULL_FAILED':
      return 'Set the option `volumeImage` to an image that the nodes can pull, or add `pods.imagePullSecrets`.';
    case 'KW_ERR_POD_UNSCHEDULABLE':
      return 'Check that nodes have room, and that `pods.nodeSelector` and `pods.tolerations` fit them.';
    case 'KW_ERR_EXEC_HANDSHAKE_FAILED':
      return 'Check that proxies before the API server pass SPDY or WebSocket upgrades: see `execProtocols`.';
    case 'KW_ERR_HERMETIC_NOT_ENFORCED':
      return 'Hermetic containers are refused until this is corrected. Other containers are not affected.';
    case 'KW_ERR_STORE_DENIED':
      return error.right === 'write'
        ? 'Give the user or the group of the store pod (65532) the right to write to the volume, or set `user` and `group` of `stores.pvc` to its owners.'
        : 'Grant the right that the message names: see docs/stores.md.';
    case 'KW_ERR_STORE_NOT_CONFIGURED':
      return 'Create the claim that the message names, or correct the option `stores`.';
    case 'KW_ERR_STORE_UNAVAILABLE':
      return 'Check that the store answers: the events of its claim and of its store pod, or its endpoint.';
    case 'KW_ERR_REPOSITORY_UNAVAILABLE':
      return "Check the database's address and its state.";
    default:
      return undefined;
  }
}
