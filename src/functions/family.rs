//! A process with its descendants, as the system shows them: what they hold, and how all of them are ended.

use std::collections::VecDeque;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// Processes of one family that are looked at.
const KNOWN: usize = 1024;

/// What the family holds for itself in memory, in bytes; nothing where the system does not show it.
pub(super) fn memory(root: Pid) -> u64 {
    let pages = |pid: Pid| {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", pid.as_raw_nonzero())).ok()?;
        let mut fields = text.split(' ').skip(1).map(|field| field.parse::<u64>().unwrap_or(0));
        // Resident, less what files and other processes have part in.
        Some(fields.next()?.saturating_sub(fields.next()?))
    };
    let page = u64::try_from(rustix::param::page_size()).unwrap_or(4096);
    family(root).into_iter().filter_map(pages).sum::<u64>() * page
}

/// Ends a process, its group, and those descendants that have left the group.
pub(super) fn end(root: Pid) {
    // Looked for first: once their parent is gone, nothing tells whose they were.
    let family = family(root);
    end_group(root);
    for pid in family {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// Ends what is left of a process' group. One that has ended leaves nobody to be told.
pub(super) fn end_group(root: Pid) {
    let _ = kill_process_group(root, Signal::KILL);
}

fn family(root: Pid) -> Vec<Pid> {
    let mut found = Vec::new();
    let mut pending = VecDeque::from([root]);
    while let Some(pid) = pending.pop_front() {
        if found.len() == KNOWN {
            break;
        }
        found.push(pid);
        let threads = std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).into_iter().flatten().flatten();
        for thread in threads {
            let children = std::fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            pending.extend(children.split_whitespace().filter_map(|child| child.parse().ok().and_then(Pid::from_raw)));
        }
    }
    found
}
