// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- TypeScript compares such functions exactly
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Fails to compile unless both types are the same. */
export declare function same<A, B>(same: Same<A, B>): void
