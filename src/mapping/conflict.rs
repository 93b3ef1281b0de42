//! Rules that cannot work together, and rules that lose something, as far as paths tell.

use super::{
    compile::{Deed, Effect},
    path::Path,
};
use crate::config::finding::Problem;

/// Rules that find nothing because of one before, or that two of them write one place.
pub(super) fn between(effects: &[Effect]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut gone: Vec<&Effect> = Vec::new();
    let mut written: Vec<&Effect> = Vec::new();
    for effect in effects {
        match effect.deed {
            Deed::Blur => {}
            Deed::Read | Deed::Take | Deed::Drop => {
                if let Some(before) = gone.iter().find(|before| before.path.covers(&effect.path)) {
                    let message = format!("nothing is left at `{}`", effect.path);
                    let hint = format!("`{}` has taken it away", before.key);
                    problems.push(Problem::new(effect.key.clone(), message).hint(hint));
                } else if effect.deed != Deed::Read {
                    written.retain(|before| !effect.path.covers(&before.path));
                    gone.push(effect);
                }
            }
            Deed::Write | Deed::Set | Deed::Default => {
                let clashes = |before: &&&Effect| {
                    before.path == effect.path && (effect.deed != Deed::Default || before.deed != Deed::Write)
                };
                if let Some(before) = written.iter().find(clashes) {
                    let message = format!("`{}` is written twice", effect.path);
                    let hint = format!("`{}` writes it already", before.key);
                    problems.push(Problem::new(effect.key.clone(), message).hint(hint));
                }
                let related = |path: &Path| path.covers(&effect.path) || effect.path.covers(path);
                gone.retain(|before| !related(&before.path));
                written.push(effect);
            }
        }
    }
    problems
}

/// What one way throws away and the other does not put back.
pub(super) fn losses(way: &str, there: &[Effect], back: &[Effect]) -> Vec<Problem> {
    let put_back = |path: &Path| {
        let constants = back.iter().filter(|effect| matches!(effect.deed, Deed::Set | Deed::Default));
        constants.into_iter().any(|effect| effect.path == *path)
    };
    let mut problems = Vec::new();
    for effect in there {
        let what = match effect.deed {
            Deed::Drop if !put_back(&effect.path) => "is dropped",
            Deed::Blur => "becomes what others become",
            _ => continue,
        };
        let message = format!("`{}` {what}, and the way back does not restore it", effect.path);
        let hint = format!("declare it: `lossy: [\"{way}: {} {what}\"]`", effect.path);
        problems.push(Problem::new(effect.key.clone(), message).hint(hint));
    }
    problems
}
