//! Which of the parts of this crate a text goes to: its kind by its first words, its tree, or its words alone.

use sqlparser::ast::Statement as Tree;

use crate::canonical::{canonical, verbatim};
use crate::kinds::{self, Kind};
use crate::lex::{self, Lexeme};
use crate::normalize::Collapsed;
use crate::plan::{Canonical, Plan, Read, Statement, Write, everything};
use crate::read::Context;
use crate::resolve::{self, Found};
use crate::schema::{Dialect, Facts};
use crate::words;

/// Plans a collapsed text on the stack it is given: see [`crate::plan::plan`].
pub(crate) fn plan(collapsed: &Collapsed, dialect: Dialect, facts: Option<&Facts>) -> Plan {
    let sql = &collapsed.text;
    let lexemes = match lex::lex(sql, dialect) {
        Ok(lexemes) => lexemes,
        Err(detail) => {
            let statement = Statement::Unparsed {
                detail,
                read: false,
            };
            return Plan {
                statement,
                canonical: verbatim(collapsed),
            };
        }
    };
    let context = Context::new(collapsed, dialect, facts);
    let parts = kinds::parts(sql, &lexemes);
    let planner = Planner {
        sql,
        context: &context,
        collapsed,
    };
    match parts.as_slice() {
        [] => Plan {
            statement: Statement::Inert,
            canonical: verbatim(collapsed),
        },
        [part] => {
            let (statement, canonical) = planner.part(part);
            Plan {
                statement,
                canonical: canonical.unwrap_or_else(|| verbatim(collapsed)),
            }
        }
        parts => {
            let statements = parts.iter().map(|part| planner.part(part).0).collect();
            Plan {
                statement: together(statements),
                canonical: verbatim(collapsed),
            }
        }
    }
}

struct Planner<'a> {
    sql: &'a str,
    context: &'a Context<'a>,
    collapsed: &'a Collapsed,
}

impl Planner<'_> {
    fn part(&self, lexemes: &[Lexeme]) -> (Statement, Option<Canonical>) {
        match kinds::kind(self.sql, lexemes, self.context.dialect) {
            Kind::Known(statement) => (statement, None),
            Kind::Tables(names) => (Statement::Write(self.tables(&names)), None),
            Kind::Executes(start) => (self.executed(&lexemes[start..]), None),
            Kind::Cursor => (self.hidden(self.cursor(lexemes), lexemes), None),
            Kind::Tree => {
                if crate::hidden::changes_schema(self.sql, lexemes, self.context) {
                    return (Statement::Ddl, None);
                }
                let (statement, canonical) = self.tree(lexemes);
                (self.hidden(statement, lexemes), canonical)
            }
        }
    }

    /// A statement with what it writes through code that it does not name.
    fn hidden(&self, statement: Statement, lexemes: &[Lexeme]) -> Statement {
        let Some(hidden) = crate::hidden::writes(self.sql, lexemes, self.context) else {
            return statement;
        };
        let join = |write: Write| Write {
            targets: write
                .targets
                .into_iter()
                .chain(hidden.targets.clone())
                .collect(),
            everything: write.everything.or(hidden.everything.clone()),
            rewrite: None,
        };
        match statement {
            Statement::Read(read) => Statement::Read(Read {
                writes: Some(read.writes.map_or_else(|| hidden.clone(), join)),
                ..read
            }),
            Statement::Write(write) => Statement::Write(join(write)),
            Statement::Inert | Statement::Unparsed { read: true, .. } => Statement::Write(hidden),
            other => other,
        }
    }

    fn tree(&self, lexemes: &[Lexeme]) -> (Statement, Option<Canonical>) {
        let trees = match crate::parse::statements(self.sql, self.context.dialect, lexemes) {
            Ok(trees) => trees,
            Err(detail) => return (self.fallback(lexemes, detail), None),
        };
        let [tree] = trees.as_slice() else {
            return (
                self.fallback(lexemes, "several statements without a semicolon".to_owned()),
                None,
            );
        };
        let scan = crate::extract::scan(tree, self.context.dialect);
        if let Some(doubt) = &scan.doubt {
            let detail = format!("not understood: {doubt}");
            return (self.fallback(lexemes, detail), None);
        }
        if scan.booleans && self.has_columns_like_booleans() {
            let detail = "TRUE or FALSE may be a column".to_owned();
            return (self.fallback(lexemes, detail), None);
        }
        if let Some(write) = crate::write::write(tree, &scan, self.context) {
            return (Statement::Write(write), None);
        }
        let Tree::Query(query) = tree else {
            return (
                self.fallback(lexemes, "an unusual statement".to_owned()),
                None,
            );
        };
        if words::selects_into(self.sql, lexemes) {
            return (Statement::Ddl, None);
        }
        let read = crate::read::read(query, &scan, self.context);
        if self.overlooks(&read, lexemes) {
            return (
                self.fallback(lexemes, "a table that the parser did not see".to_owned()),
                None,
            );
        }
        let canonical = canonical(self.collapsed, lexemes, self.context.dialect, query);
        (Statement::Read(read), Some(canonical))
    }

    /// `SQLite` takes TRUE and FALSE for columns where there are columns of these names.
    fn has_columns_like_booleans(&self) -> bool {
        let like = |name: &str| {
            ["true", "false"]
                .iter()
                .any(|word| name.eq_ignore_ascii_case(word))
        };
        self.context.dialect == Dialect::Sqlite
            && self.context.facts.is_some_and(|facts| {
                facts
                    .tables
                    .iter()
                    .any(|table| table.columns.iter().any(|column| like(&column.name)))
            })
    }

    /// Whether a name stands where a table does and is a table, but is not among those of the tree.
    fn overlooks(&self, read: &Read, lexemes: &[Lexeme]) -> bool {
        let (Some(facts), dialect) = (self.context.facts, self.context.dialect) else {
            return false;
        };
        words::names_of_tables(self.sql, lexemes, dialect)
            .iter()
            .any(
                |(schema, name)| match resolve::table(facts, dialect, schema.as_deref(), name) {
                    Found::Table(table) => !read.named.contains(&table.id),
                    _ => false,
                },
            )
    }

    /// A statement whose tree is not understood, by its lexemes.
    fn fallback(&self, lexemes: &[Lexeme], detail: String) -> Statement {
        if let Some(name) = words::only_target(self.sql, lexemes, self.context.dialect)
            && words::calls_are_harmless(
                self.sql,
                lexemes,
                self.context.dialect,
                self.context.facts,
            )
        {
            return Statement::Write(self.tables(&[name]));
        }
        let read =
            words::certainly_reads(self.sql, lexemes, self.context.dialect, self.context.facts);
        Statement::Unparsed { detail, read }
    }

    /// Any row of these tables.
    fn tables(&self, names: &[(Option<String>, String)]) -> Write {
        let mut write = Write {
            targets: Vec::new(),
            everything: None,
            rewrite: None,
        };
        for (schema, name) in names {
            crate::write::by_name(schema.as_deref(), name, self.context, &mut write);
        }
        write
    }

    /// What EXPLAIN ANALYZE does with its statement.
    fn executed(&self, lexemes: &[Lexeme]) -> Statement {
        match self.part(lexemes).0 {
            Statement::Write(write) => Statement::Write(Write {
                rewrite: None,
                ..write
            }),
            Statement::Read(Read {
                writes: Some(write),
                ..
            }) => Statement::Write(write),
            Statement::Read(Read { locks: true, .. }) => Statement::Lock,
            Statement::Read(_) | Statement::Unparsed { read: true, .. } => Statement::Inert,
            _ => Statement::Write(everything("it executes something that is not understood")),
        }
    }

    fn cursor(&self, lexemes: &[Lexeme]) -> Statement {
        if words::calls_are_harmless(self.sql, lexemes, self.context.dialect, self.context.facts) {
            Statement::Inert
        } else {
            Statement::Write(everything("a cursor calls functions that may write"))
        }
    }
}

/// Several statements in one text.
fn together(statements: Vec<Statement>) -> Statement {
    if statements
        .iter()
        .any(|statement| matches!(statement, Statement::Ddl))
    {
        return Statement::Ddl;
    }
    let mut writes: Option<Write> = None;
    let mut sessions: Option<Statement> = None;
    let (mut reads, mut locks) = (false, false);
    let mut join = |new: Write| {
        let write = writes.get_or_insert_with(|| Write {
            targets: Vec::new(),
            everything: None,
            rewrite: None,
        });
        write.targets.extend(new.targets);
        write.everything = write.everything.take().or(new.everything);
    };
    for statement in statements {
        match statement {
            Statement::Inert => {}
            Statement::Lock => locks = true,
            Statement::Unparsed { read: true, .. } => reads = true,
            Statement::Read(read) => {
                reads = true;
                locks |= read.locks;
                if let Some(write) = read.writes {
                    join(write);
                }
                if read.session {
                    join(everything(
                        "several statements, one of them changes the session",
                    ));
                }
            }
            Statement::Write(write) => join(write),
            Statement::Unparsed {
                detail,
                read: false,
            } => join(everything(&detail)),
            Statement::Control(_) => join(everything(
                "several statements, one of them controls the transaction",
            )),
            Statement::Session {
                detail,
                harmless,
                snapshot,
            } => match &mut sessions {
                Some(Statement::Session {
                    detail,
                    harmless: all,
                    snapshot: any,
                }) => {
                    "several settings".clone_into(detail);
                    *all &= harmless;
                    *any |= snapshot;
                }
                _ => {
                    sessions = Some(Statement::Session {
                        detail,
                        harmless,
                        snapshot,
                    });
                }
            },
            Statement::Ddl => return Statement::Ddl,
        }
    }
    match (writes, sessions) {
        (
            Some(_),
            Some(Statement::Session {
                harmless, snapshot, ..
            }),
        ) if !harmless || snapshot => Statement::Write(everything(
            "several statements, one of them changes the session",
        )),
        (Some(write), _) => Statement::Write(write),
        (None, Some(session)) => session,
        (None, None) if locks => Statement::Lock,
        (None, None) if reads => Statement::Unparsed {
            detail: "several statements in one text".to_owned(),
            read: true,
        },
        (None, None) => Statement::Inert,
    }
}
