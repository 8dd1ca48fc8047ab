import type { ContainerMetadata } from './container.ts';

/**
 * When a node pulls an image.
 *
 * @public
 */
export type ImagePullPolicy = 'IfNotPresent' | 'Always' | 'Never';

/**
 * Options for the images of a worker's pods.
 *
 * @public
 */
export interface ImageOptions {
  /**
   * Prepended to short names, which are references without a registry: with
   * `registry.example/mirror`, `busybox` becomes `registry.example/mirror/busybox`. Applies to
   * steps, sidecars, the volume image and the images of the policy.
   *
   * @defaultValue short names stay as they are, and the node's runtime completes them
   */
  readonly registryPrefix?: string | undefined;
  /**
   * When nodes pull images. `Always` detects a tag that has moved, at the cost of a request per
   * start; it has no effect on a reference with a digest, whose content cannot change. With `Never`,
   * the nodes must have every image, the volume image included.
   *
   * @defaultValue `'IfNotPresent'`
   */
  readonly pullPolicy?: ImagePullPolicy | undefined;
  /**
   * Decides which image a step gets, and which images are permitted.
   *
   * @defaultValue every step gets its own image, and every image is permitted
   */
  readonly policy?: ImagePolicy | undefined;
  /**
   * Whether the worker checks the images of a step and its sidecars in their registries before it
   * creates a pod: that they exist, that `PodOptions.imagePullSecrets` give access to them, and that
   * they support the pod's architecture. `warn` logs a finding. With `enforce`,
   * `findOrCreateContainer` rejects with an `InvalidSpecError` and creates nothing. Both log a
   * warning for a reference without a digest and with the tag `latest` or none.
   *
   * A registry that does not answer is no finding, because nodes may reach it or its mirror. The
   * check sends requests from the host program, and needs the permission `get` of `secrets` if there
   * are pull secrets. Short names are checked at `docker.io`. Credentials that only nodes or service
   * accounts have are not used: with `enforce`, the pull secrets must give access to every image.
   *
   * @defaultValue `'off'`
   */
  readonly preflight?: 'off' | 'warn' | 'enforce' | undefined;
  /**
   * Whether pods refer to images by the digest that the check has found, so that a tag that moves
   * meanwhile does not change the image. Requires `preflight`. An image that could not be checked
   * keeps its tag.
   *
   * @defaultValue false
   */
  readonly pinDigests?: boolean | undefined;
  /**
   * How long the result of a check is reused, in milliseconds. It is reused for longer while the
   * registry does not answer. A moved tag is noticed after this time.
   *
   * @defaultValue 60,000
   */
  readonly preflightFreshMs?: number | undefined;
  /**
   * Registries that the check accesses over unencrypted HTTP, as hosts with an optional port, like
   * `registry.example:5000`.
   *
   * @defaultValue none; every registry is accessed over HTTPS
   */
  readonly plainHttpRegistries?: readonly string[] | undefined;
}

/**
 * Decides which image a step gets. The first source that has an image applies: the step's own
 * image, its resource type, the most specific rule with an image, the default.
 *
 * Then the rules decide whether the image is permitted. From the most specific matching rule to the
 * least specific one: a match of `deny` refuses the image; otherwise a rule with `allow` permits the
 * images that it lists and refuses all others; otherwise the next rule decides. An image is
 * permitted if no rule decides. Sidecars' images need the same permission.
 *
 * @public
 */
export interface ImagePolicy {
  /** Images by resource type. @defaultValue none */
  readonly resourceTypes?: Readonly<Record<string, string>> | undefined;
  /** The rules. Their order has no meaning. @defaultValue none */
  readonly rules?: readonly ImageRule[] | undefined;
  /** The image of a step for which no other source has one. @defaultValue none */
  readonly defaultImage?: string | undefined;
}

/**
 * A rule of an image policy. It matches a step if all its criteria equal the step's metadata; a rule
 * without criteria matches every step.
 *
 * A rule with more criteria is more specific. Of two with the same number, the one with a criterion
 * that the other lacks is more specific, in the order `step`, `pipeline`, `team`. No two rules may
 * have the same criteria.
 *
 * @public
 */
export interface ImageRule {
  /** The name of the rule in explanations and errors; unique in its policy. */
  readonly name: string;
  /** Equals `ContainerMetadata.team`. @defaultValue any team */
  readonly team?: string | undefined;
  /** Equals `ContainerMetadata.pipelineName`. @defaultValue any pipeline */
  readonly pipeline?: string | undefined;
  /** Equals `ContainerMetadata.stepName`. @defaultValue any step */
  readonly step?: string | undefined;
  /** The image of matching steps without an image of their own. @defaultValue none */
  readonly image?: string | undefined;
  /**
   * Patterns of the images that matching steps may use, like `registry.example/team/*`. `*` stands
   * for any text without a slash, `**` for any text. A pattern begins with the registry; an image
   * without one is compared as `docker.io/library/busybox`.
   *
   * A pattern without a tag matches every tag and digest. A pattern with a tag matches only
   * references without a digest, because a digest overrides the tag. A reference without both has
   * the tag `latest`.
   *
   * @defaultValue the rule permits nothing by itself, and a less specific rule decides
   */
  readonly allow?: readonly string[] | undefined;
  /** Patterns of the images that matching steps may not use. @defaultValue none */
  readonly deny?: readonly string[] | undefined;
}

/**
 * The facts about a step from which an image policy resolves its image.
 *
 * @public
 */
export interface ImageRequest {
  /** The step's own image, as in `ContainerSpec.image`. @defaultValue none */
  readonly image?: string | undefined;
  /** The step's resource type, as in `ContainerSpec.resourceType`. @defaultValue none */
  readonly resourceType?: string | undefined;
  /** The metadata that rules compare. @defaultValue none */
  readonly metadata?: ContainerMetadata | undefined;
}

/**
 * Which image a step gets, and why.
 *
 * @public
 */
export interface ImageExplanation {
  /**
   * The reference of the image, with the registry prefix if it applies. `undefined` if no source has
   * an image.
   */
  readonly image: string | undefined;
  /** Why `findOrCreateContainer` would refuse the step. `undefined` if it would accept the image. */
  readonly refusal: string | undefined;
  /**
   * The name of the rule that refuses the image, otherwise of the rule that has the image, otherwise
   * of the rule that permits it. `undefined` if no rule did.
   */
  readonly rule: string | undefined;
  /** Every source and rule that was consulted, in this order. */
  readonly chain: readonly ImageDecision[];
  /**
   * What to change about the image, for operators: it has no digest, and its tag is `latest` or
   * missing, so that steps are not reproducible. A warning refuses nothing.
   */
  readonly warnings: readonly string[];
}

/**
 * What one source or rule has decided about a step's image.
 *
 * @public
 */
export interface ImageDecision {
  /** The source. `rule` for all rules, whether they give an image or permit it. */
  readonly source: 'step' | 'resourceType' | 'rule' | 'default';
  /** The name of the rule, if the source is a rule. */
  readonly rule?: string | undefined;
  /**
   * `chosen`: the source has the image. `passed`: it has no image, or does not decide. `allowed`,
   * `denied`: the rule permits or refuses the image.
   */
  readonly effect: 'chosen' | 'passed' | 'allowed' | 'denied';
}
