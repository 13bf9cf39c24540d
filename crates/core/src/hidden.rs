//! Code of the user's that runs without being named: behind views, policies, domains, operators, casts and other functions.
//!
//! What a function may write is told by its body, and follows from what it calls; names are compared without schemas, so
//! what is found is a superset. `PostgreSQL` only.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::lex::{Kind, Lexeme, lex};
use crate::plan::Write;
use crate::read::Context;
use crate::schema::{Dialect, Facts, Function, Table, TableKind, TableName};
use crate::triggers;

/// What running something may write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// Any row of these tables.
    pub tables: BTreeSet<TableName>,
    /// Anything, for this reason.
    pub anything: Option<String>,
}

impl Effect {
    fn anything(why: String) -> Self {
        Self {
            anything: Some(why),
            ..Self::default()
        }
    }

    /// It writes nothing.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.tables.is_empty() && self.anything.is_none()
    }

    fn join(&mut self, other: &Self) {
        self.tables.extend(other.tables.iter().cloned());
        if self.anything.is_none() {
            self.anything.clone_from(&other.anything);
        }
    }
}

/// What is hidden in a database. Only what writes is listed.
#[derive(Clone, Debug, Default)]
pub struct Hidden {
    functions: HashMap<String, Effect>,
    /// Relations and types whose use runs code.
    names: HashMap<String, Effect>,
    /// Functions that `row.name` may call.
    attributes: HashMap<String, Effect>,
    /// What any expression may run.
    always: Effect,
    /// Functions that may change the schema, or what names mean.
    changing: HashSet<String>,
}

impl Hidden {
    /// What calling a function of the facts may write; `None`: nothing.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Effect> {
        self.functions.get(name)
    }

    /// Finds what is hidden, and makes a function that writes through others count as volatile.
    pub(crate) fn find(facts: &mut Facts) {
        facts.hidden = Self::default();
        // What writes only grows, and each round but the last adds something.
        while let Some(grown) = facts.hidden.grown(facts) {
            facts.hidden = grown;
        }
        facts.hidden.changing = changing(&facts.functions);
        let Facts {
            hidden, functions, ..
        } = facts;
        for function in functions {
            if let Some(effect) = hidden.functions.get(&function.name)
                && function.volatility != 'v'
            {
                function.volatility = 'v';
                if effect.anything.is_none() {
                    function.declared_writes = Some(effect.tables.iter().cloned().collect());
                }
            }
        }
    }

    fn grown(&self, facts: &Facts) -> Option<Self> {
        let mut next = Self::default();
        for function in &facts.functions {
            let effect = self.of_function(function, facts);
            if !effect.is_nothing() {
                if function.attribute {
                    next.attributes
                        .insert(function.name.clone(), effect.clone());
                }
                next.functions.insert(function.name.clone(), effect);
            }
        }
        for table in &facts.tables {
            let effect = self.of_relation(table);
            if !effect.is_nothing() {
                next.names
                    .entry(table.id.name.clone())
                    .or_default()
                    .join(&effect);
            }
        }
        for check in &facts.domains {
            if let Some(effect) = self.functions.get(&check.calls) {
                let why = format!("the type {}", check.name);
                next.names
                    .entry(check.name.clone())
                    .or_default()
                    .join(&because(effect, &why));
            }
        }
        for name in &facts.implicit {
            if let Some(effect) = self.functions.get(name) {
                next.always.join(&because(effect, "an operator or a cast"));
            }
        }
        (next.size() != self.size()).then_some(next)
    }

    /// Grows with what is known: reasons do not count.
    fn size(&self) -> usize {
        let size = |effect: &Effect| {
            effect.tables.len() + usize::from(effect.anything.is_some()) * (1 << 20)
        };
        let all = self.functions.values().chain(self.names.values());
        all.map(size).sum::<usize>() + size(&self.always)
    }

    fn of_function(&self, function: &Function, facts: &Facts) -> Effect {
        if let Some(tables) = &function.declared_writes {
            return Effect {
                tables: tables.iter().cloned().collect(),
                anything: None,
            };
        }
        let name = &function.name;
        let volatile = function.volatility == 'v';
        let mut effect = Effect::default();
        for part in &function.parts {
            if let Some(part) = self.functions.get(part) {
                effect.join(part);
            }
        }
        if volatile && function.bodies.is_empty() && function.parts.is_empty() {
            return Effect::anything(format!("{name}() is volatile"));
        }
        for body in &function.bodies {
            let readable = matches!(body.language.as_str(), "sql" | "plpgsql");
            if volatile && readable {
                match triggers::body_writes(&body.source, facts) {
                    Ok(tables) => effect.tables.extend(tables),
                    Err(why) => effect.join(&Effect::anything(format!("{name}(): {why}"))),
                }
            } else if volatile {
                let why = format!("{name}() is written in {}", body.language);
                effect.join(&Effect::anything(why));
            } else if body.language.starts_with("sql") || body.language.starts_with("plpgsql") {
                // It may not write itself, but what it calls may.
                let mentioned = lex(&body.source, Dialect::Postgres).map_or_else(
                    |why| self.dynamic(&why),
                    |lexemes| self.mentioned(&body.source, &lexemes),
                );
                effect.join(&because(&mentioned, &format!("{name}()")));
            }
        }
        effect
    }

    /// What a text may run that can call whatever there is.
    fn dynamic(&self, why: &str) -> Effect {
        if self.functions.is_empty() {
            Effect::default()
        } else {
            Effect::anything(why.to_owned())
        }
    }

    fn mentioned(&self, sql: &str, lexemes: &[Lexeme]) -> Effect {
        let mut effect = self.uses(sql, lexemes);
        if let Err(why) = triggers::settings(sql, lexemes) {
            effect.join(&Effect::anything(why));
        }
        for lexeme in lexemes {
            if let Some(name) = lexeme.identifier(sql, Dialect::Postgres)
                && let Some(called) = self.functions.get(&name)
            {
                effect.join(called);
            }
            if lexeme.is(sql, "execute") {
                effect.join(&self.dynamic("it runs texts that it makes"));
            }
        }
        effect
    }

    fn of_relation(&self, table: &Table) -> Effect {
        let mut effect = Effect::default();
        for name in &table.calls {
            if let Some(called) = self.functions.get(name) {
                effect.join(called);
            }
        }
        let base = table
            .base
            .iter()
            .flatten()
            .filter(|_| table.kind == TableKind::View);
        for read in base.chain(&table.policy_reads) {
            if let Some(behind) = self.names.get(&read.name) {
                effect.join(behind);
            }
        }
        because(&effect, &table.id.to_string())
    }

    /// What a text runs besides the functions that it calls.
    #[must_use]
    pub fn uses(&self, sql: &str, lexemes: &[Lexeme]) -> Effect {
        let mut effect = self.always.clone();
        if self.names.is_empty() && self.attributes.is_empty() {
            return effect;
        }
        for (at, lexeme) in lexemes.iter().enumerate() {
            let Some(name) = lexeme.identifier(sql, Dialect::Postgres) else {
                continue;
            };
            if let Some(behind) = self.names.get(&name) {
                effect.join(behind);
            }
            let kind = |index: Option<usize>| index.and_then(|at| lexemes.get(at)).map(|l| l.kind);
            if kind(at.checked_sub(1)) == Some(Kind::Dot)
                && kind(Some(at + 1)) != Some(Kind::Open)
                && let Some(called) = self.attributes.get(&name)
            {
                effect.join(&because(called, "a function called as a column"));
            }
        }
        effect
    }
}

/// Functions whose bodies change the schema or settings, or call such a function. What the options declare is believed.
fn changing(functions: &[Function]) -> HashSet<String> {
    #[rustfmt::skip]
    const WORDS: &[&str] = &[
        "alter", "call", "cluster", "comment", "create", "drop", "execute", "grant", "import", "refresh", "reindex",
        "revoke", "security",
    ];
    let mut found = HashSet::new();
    let undeclared = || {
        functions
            .iter()
            .filter(|function| function.declared_writes.is_none() && function.volatility == 'v')
    };
    loop {
        let before = found.len();
        for function in undeclared() {
            let changes = |body: &crate::schema::Body| {
                let source = body.source.as_str();
                lex(source, Dialect::Postgres).is_ok_and(|lexemes| {
                    triggers::settings(source, &lexemes).is_err()
                        || lexemes.iter().any(|lexeme| {
                            lexeme.is_any(source, WORDS)
                                || lexeme
                                    .identifier(source, Dialect::Postgres)
                                    .is_some_and(|name| found.contains(&name))
                        })
                })
            };
            if !found.contains(&function.name) && function.bodies.iter().any(changes) {
                found.insert(function.name.clone());
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

/// Whether a statement calls a function that may change the schema, or what names mean.
#[must_use]
pub fn changes_schema(sql: &str, lexemes: &[Lexeme], context: &Context<'_>) -> bool {
    let Some(facts) = context
        .facts
        .filter(|facts| !facts.hidden.changing.is_empty())
    else {
        return false;
    };
    lexemes.windows(2).any(|pair| {
        pair[1].kind == Kind::Open
            && pair[0]
                .identifier(sql, Dialect::Postgres)
                .is_some_and(|name| facts.hidden.changing.contains(&name))
    })
}

fn because(effect: &Effect, what: &str) -> Effect {
    let anything = effect.anything.as_ref();
    Effect {
        tables: effect.tables.clone(),
        // The chain of reasons is not longer than a sentence: what a text uses, and why that writes.
        anything: anything.map(|why| match why.split_once(" runs ") {
            Some((_, last)) => format!("{what} runs {last}"),
            None => format!("{what} runs {why}"),
        }),
    }
}

/// What a statement writes through code that it does not name.
#[must_use]
pub fn writes(sql: &str, lexemes: &[Lexeme], context: &Context<'_>) -> Option<Write> {
    let facts = context
        .facts
        .filter(|_| context.dialect == Dialect::Postgres)?;
    let effect = facts.hidden.uses(sql, lexemes);
    if effect.is_nothing() {
        return None;
    }
    let tables = effect.tables.iter();
    Some(Write {
        targets: tables
            .flat_map(|table| crate::write::any(table, facts, context.dialect))
            .collect(),
        everything: effect.anything,
        rewrite: None,
    })
}
