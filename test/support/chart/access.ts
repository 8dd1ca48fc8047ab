import { AuthorizationV1Api, KubeConfig, type V1ResourceRule } from '@kubernetes/client-node';

/** Something that RBAC permits or denies. */
export interface Access {
  readonly verb: string;
  /** `RESOURCE` or `RESOURCE/SUBRESOURCE`. */
  readonly resource: string;
  /** @defaultValue the core group */
  readonly group?: string;
  /** @defaultValue all namespaces, or a resource that is in none */
  readonly namespace?: string;
}

const atOnce = 20;

/** Asks the API server what service accounts may do, as `kubectl auth can-i` does. */
export class AccessReview {
  readonly #admin: KubeConfig;
  readonly #user: string;

  constructor(admin: KubeConfig, { namespace, name }: { readonly namespace: string; readonly name: string }) {
    this.#admin = admin;
    this.#user = `system:serviceaccount:${namespace}:${name}`;
  }

  /** Returns those of a list that are permitted, as `VERB RESOURCE in NAMESPACE`. */
  async permitted(list: readonly Access[]): Promise<readonly string[]> {
    const api = this.#admin.makeApiClient(AuthorizationV1Api);
    const answer = async (access: Access): Promise<readonly string[]> => {
      const { verb, group, namespace, ...rest } = access;
      const [resource, subresource] = rest.resource.split('/');
      const attributes = { verb, group, namespace, resource, subresource };
      const resourceAttributes = Object.fromEntries(
        Object.entries(attributes).filter(([, value]) => value !== undefined),
      );
      const groups = [
        'system:serviceaccounts',
        `system:serviceaccounts:${this.#user.split(':')[2]}`,
        'system:authenticated',
      ];
      const body = { spec: { user: this.#user, groups, resourceAttributes } };
      const { status } = await api.createSubjectAccessReview({ body });
      return status?.allowed === true ? [textOf(access)] : [];
    };
    const permitted: string[] = [];
    // Each question has a connection of its own.
    for (let next = 0; next < list.length; next += atOnce)
      permitted.push(...(await Promise.all(list.slice(next, next + atOnce).map(answer))).flat());
    return permitted;
  }

  /** Returns what the account may do in a namespace, except for what every account may do. */
  async rules(namespace: string): Promise<readonly string[]> {
    const api = this.#impersonating().makeApiClient(AuthorizationV1Api);
    const { status } = await api.createSelfSubjectRulesReview({ body: { spec: { namespace } } });
    const rules = (status?.resourceRules ?? []).filter((rule) => !isOfEveryone(rule));
    const permitted = rules.flatMap(({ verbs, apiGroups = [], resources = [] }) =>
      resources.flatMap((resource) =>
        apiGroups.flatMap((group) => verbs.map((verb) => textOf({ verb, resource, group, namespace }))),
      ),
    );
    return [...new Set(permitted)].sort();
  }

  #impersonating(): KubeConfig {
    const config = new KubeConfig();
    config.loadFromOptions({
      clusters: [this.#admin.getCurrentCluster()],
      users: [{ ...this.#admin.getCurrentUser(), impersonateUser: this.#user }],
      contexts: [
        { name: 'c', cluster: this.#admin.getCurrentCluster()?.name, user: this.#admin.getCurrentUser()?.name },
      ],
      currentContext: 'c',
    });
    return config;
  }
}

/** Returns an access in words. */
export function textOf({ verb, resource, group = '', namespace = '' }: Access): string {
  return `${verb} ${resource}${group === '' ? '' : `.${group}`} in ${namespace === '' ? 'all namespaces' : namespace}`;
}

/** Whether the rule is the one of `system:basic-user`, which every account has. */
function isOfEveryone({ apiGroups = [] }: V1ResourceRule): boolean {
  return apiGroups.every((group) => group === 'authorization.k8s.io' || group === 'authentication.k8s.io');
}
