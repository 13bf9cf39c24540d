/** What the tables of mutants are made of. */

/** A test of a spec, by its whole title. */
export interface SpecTest {
  /** `__test__/<spec>.spec.ts` */
  readonly spec: string
  readonly title: string
}

/** A test of the core: of `crates/core/tests/<cargo>.rs`, or of a module itself (`lib`). */
export interface CargoTest {
  readonly cargo: string
  /** as `cargo test` names it */
  readonly title: string
}

/** One guard, taken away. */
export interface Mutant {
  /** what is missing now, in words; unique */
  readonly guard: string
  readonly file: string
  /** a text that occurs once in the file */
  readonly find: string
  readonly replace: string
  /** the test that must fail without the guard; it passes with it */
  readonly test: SpecTest | CargoTest
  /** the named test waits for something that never comes: being stopped counts as failing */
  readonly hangs?: true
  /** the named test fails by an error that the database or cacheops throws, not by an assertion of its own */
  readonly throws?: RegExp
}

/** Whether a mutant is one of the Rust core. */
export function isRust({ file }: Mutant): boolean {
  return file.endsWith('.rs')
}

/** Whether it shows only through the addon, which must be built for it. */
export function needsAddon(mutant: Mutant): boolean {
  return isRust(mutant) && 'spec' in mutant.test
}

/** A test as people name it. */
export function nameOf(test: SpecTest | CargoTest): string {
  return 'spec' in test ? `${test.spec}: ${test.title}` : `core, ${test.cargo}: ${test.title}`
}
