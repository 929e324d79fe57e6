"""The cores that a container may use, by made-up control groups."""

import pytest

from cnnexp.system.cgroup import cpu_quota


def written(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    return root


CPU = "sys/fs/cgroup/cpu"


@pytest.mark.parametrize(
    ("files", "quota"),
    [
        ({}, None),
        ({"proc/self/cgroup": "0::/"}, None),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000"}, None),
        ({"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "150000 100000"}, 1.5),
        # The tightest of the group and those above it counts.
        (
            {
                "proc/self/cgroup": "0::/pod/box",
                "sys/fs/cgroup/pod/cpu.max": "200000 100000",
                "sys/fs/cgroup/pod/box/cpu.max": "400000 100000",
            },
            2.0,
        ),
        # Version 1, in a container that has its group as the root, and outside of one.
        (
            {
                "proc/self/cgroup": "5:memory:/docker/a\n4:cpu,cpuacct:/docker/a",
                f"{CPU}/cpu.cfs_quota_us": "300000",
                f"{CPU}/cpu.cfs_period_us": "100000",
            },
            3.0,
        ),
        (
            {
                "proc/self/cgroup": "4:cpu,cpuacct:/docker/a\n0::/",
                f"{CPU},cpuacct/docker/a/cpu.cfs_quota_us": "50000",
                f"{CPU},cpuacct/docker/a/cpu.cfs_period_us": "100000",
                f"{CPU},cpuacct/cpu.cfs_quota_us": "-1",
                f"{CPU},cpuacct/cpu.cfs_period_us": "100000",
            },
            0.5,
        ),
        ({"proc/self/cgroup": "nonsense", "sys/fs/cgroup/cpu.max": "1 0"}, None),
    ],
)
def test_the_quota_of_the_groups_of_a_process(files, quota, tmp_path):
    assert cpu_quota(written(tmp_path, files)) == quota
