//! A run that ended early has planned more than it has done: the rows of images and objects are brought down to what the journal knows.

use super::Report;
use crate::journal::{Certainty, Change};

const NOT_REACHED: &str = "not reached";

impl Report {
    /// Makes the rows tell what happened to them; the changes must be in.
    pub fn settle(&mut self) {
        let changes = &self.changes;
        let of = |subject: &str| changes.iter().rev().find(|change| change.subject == subject);
        for image in self.images.iter_mut().filter(|image| matches!(image.action.as_str(), "create" | "move")) {
            image.action = happened(of(&format!("{}:{}", image.repository, image.tag)), "moved");
        }
        for object in self.objects.iter_mut().filter(|object| object.action.starts_with("to ")) {
            object.action = happened(of(&object.object), "changed");
        }
    }
}

fn happened(change: Option<&Change>, changed: &str) -> String {
    match change {
        None => NOT_REACHED.to_owned(),
        Some(Change { certainty: Certainty::Unknown, .. }) => "sent, no answer seen".to_owned(),
        Some(Change { before: None, .. }) => "created".to_owned(),
        Some(_) => changed.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Journal, Kind};
    use crate::report::Object;

    #[test]
    fn rows_of_a_run_that_was_cut_off_tell_what_happened() {
        let journal = Journal::default();
        journal.begin(Kind::Object, "ConfigMap shop/a", None, "applied").done();
        journal.begin(Kind::Object, "ConfigMap shop/b", Some("1".into()), "applied").done();
        drop(journal.begin(Kind::Object, "ConfigMap shop/c", None, "applied"));
        let row = |(name, action): (&str, &str)| Object {
            object: format!("ConfigMap shop/{name}"),
            wave: String::new(),
            action: action.to_owned(),
            changes: Vec::new(),
            status: String::new(),
        };
        let rows = [("a", "to create"), ("b", "to change"), ("c", "to create"), ("d", "to create"), ("e", "unchanged")];
        let mut report = Report { objects: rows.into_iter().map(row).collect(), changes: journal.changes(), ..Report::default() };
        report.settle();
        let actions: Vec<&str> = report.objects.iter().map(|object| object.action.as_str()).collect();
        assert_eq!(actions, ["created", "changed", "sent, no answer seen", "not reached", "unchanged"]);
    }
}
