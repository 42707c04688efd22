/* -*- c++ -*- */
/* SPDX-License-Identifier: GPL-3.0-or-later */

// Runs the targets on mutated inputs for a given time; one JSON object per target on
// standard output. fuzz/run.py builds it under the sanitizers and runs it.

#include "mutations.h"

#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>
#include <random>
#include <string>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
// of sanitizer/*_interface.h, which Debian's compiler comes without
extern "C" {
int __sanitizer_install_malloc_and_free_hooks(void (*on_malloc)(const volatile void*,
                                                                std::size_t),
                                              void (*on_free)(const volatile void*));
void __sanitizer_set_death_callback(void (*callback)());
}
#endif

namespace {

using input = std::vector<std::uint8_t>;

// Read by signal handlers and allocation hooks.
std::size_t largest = 0;
volatile std::sig_atomic_t inputs_run = 0, inputs_at_tick = -1;
const input* current = nullptr;
std::string artifact;

// of processor time: a busy machine is no hang
constexpr int hang_seconds = 25;

void note(std::size_t size)
{
    if (fuzz::watching && size > largest) {
        largest = size;
    }
}

void save_input()
{
    const input* what = current;
    current = nullptr;
    if (what) {
        std::ofstream(artifact, std::ios::binary)
            .write(reinterpret_cast<const char*>(what->data()), what->size());
        std::fprintf(stderr,
                     "fuzz: the input is in %s; replay it with --input\n",
                     artifact.c_str());
    }
}

void on_abort(int) { save_input(); }

void on_tick(int)
{
    if (inputs_run == inputs_at_tick) {
        fuzz::broken("an input took longer than the watchdog allows");
    }
    inputs_at_tick = inputs_run;
}

} // namespace

#ifdef __SANITIZE_ADDRESS__
namespace {
void on_malloc(const volatile void*, std::size_t size) { note(size); }
void on_free(const volatile void*) {}
} // namespace
#else
void* operator new(std::size_t size)
{
    note(size);
    if (void* memory = std::malloc(size ? size : 1)) {
        return memory;
    }
    throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#endif

namespace {

// Resident memory of this process, MB.
double resident_mb()
{
    std::ifstream file("/proc/self/statm");
    double total = 0, resident = 0;
    file >> total >> resident;
    return resident * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e6;
}

class mutator
{
public:
    mutator(const fuzz::target& target, std::uint64_t seed, std::vector<input> corpus)
        : d_target(target),
          d_random(seed),
          d_longest(target.longest_input),
          d_pool(std::move(corpus))
    {
        while (d_pool.size() < 64) {
            d_pool.push_back(noise());
        }
    }

    input next()
    {
        if (below(8) == 0) {
            return noise();
        }
        input out = d_pool[below(d_pool.size())];
        if (below(4) == 0) {
            fuzz::change_fields(out, fuzz::fields_of(d_target, out), d_random);
        } else {
            for (std::size_t n = 1 + below(4); n > 0; n--) {
                change(out);
            }
        }
        out.resize(std::min(out.size(), d_longest));
        return out;
    }

    // What got far is worth changing further.
    void keep(const input& accepted) { d_pool[below(d_pool.size())] = accepted; }

private:
    std::size_t below(std::size_t limit) { return limit ? d_random() % limit : 0; }

    input noise()
    {
        input out(1 + below(d_longest));
        std::generate(out.begin(), out.end(), [this] { return d_random(); });
        return out;
    }

    void change(input& bytes)
    {
        const std::size_t at = below(bytes.size()), n = below(bytes.size() - at + 1);
        const auto from = bytes.begin() + at;
        switch (below(6)) {
        case 0:
            if (!bytes.empty()) {
                bytes[at] ^= 1 << below(8);
            }
            break;
        case 1: {
            static constexpr std::uint8_t extreme[] = { 0, 1, 0x7f, 0x80, 0xfe, 0xff };
            std::fill(from, from + std::min<std::size_t>(n, 4), extreme[below(6)]);
            break;
        }
        case 2:
            bytes.resize(at);
            break;
        case 3:
            bytes.erase(from, from + n);
            break;
        case 4: { // the end of another
            const input& other = d_pool[below(d_pool.size())];
            bytes.resize(at);
            bytes.insert(bytes.end(), other.begin() + below(other.size()), other.end());
            break;
        }
        default: {
            const input more = noise();
            bytes.insert(from, more.begin(), more.begin() + below(more.size()));
        }
        }
    }

    const fuzz::target& d_target;
    std::mt19937_64 d_random;
    std::size_t d_longest;
    std::vector<input> d_pool;
};

fuzz::verdict run_one(const fuzz::target& target, const input& bytes)
{
    current = &bytes;
    fuzz::reader in(bytes.data(), bytes.size());
    const auto verdict = target.run(in);
    fuzz::require(largest <= target.largest_allocation,
                  "an allocation was larger than anything this target needs");
    current = nullptr;
    inputs_run = inputs_run + 1;
    return verdict;
}

std::vector<input> read_all(const std::string& folder)
{
    std::vector<input> found;
    if (std::filesystem::is_directory(folder)) {
        for (const auto& entry : std::filesystem::directory_iterator(folder)) {
            std::ifstream file(entry.path(), std::ios::binary);
            found.emplace_back(std::istreambuf_iterator<char>(file),
                               std::istreambuf_iterator<char>());
        }
    }
    return found;
}

void run(const fuzz::target& target,
         double seconds,
         std::uint64_t seed,
         const std::string& corpus)
{
    // processor time, so that the figures mean the same on a busy machine
    const auto begun = std::clock();
    const auto elapsed = [begun] {
        return static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC;
    };
    const auto known = read_all(corpus + "/" + target.name);
    mutator inputs(target, seed, known);
    std::uint64_t iterations = 0, accepted = 0;
    double settled_mb = 0;
    largest = 0;
    for (const auto& bytes : known) {
        run_one(target, bytes);
    }
    while (elapsed() < seconds) {
        const input bytes = inputs.next();
        if (run_one(target, bytes) == fuzz::verdict::accepted) {
            accepted++;
            inputs.keep(bytes);
        }
        iterations++;
        if (settled_mb == 0 && elapsed() > seconds / 4) {
            settled_mb = resident_mb();
        }
    }
    std::printf("{\"target\": \"%s\", \"seed\": %llu, \"seconds\": %.1f, \"iterations\": "
                "%llu, \"accepted\": %llu, \"rejected\": %llu, "
                "\"largest_allocation_bytes\": %zu, \"allowed_allocation_bytes\": %zu, "
                "\"resident_growth_mb\": %.1f}\n",
                target.name,
                static_cast<unsigned long long>(seed),
                elapsed(),
                static_cast<unsigned long long>(iterations),
                static_cast<unsigned long long>(accepted),
                static_cast<unsigned long long>(iterations - accepted),
                largest,
                target.largest_allocation,
                resident_mb() - settled_mb);
    std::fflush(stdout);
}

[[noreturn]] void usage()
{
    std::fputs("usage: semcom_fuzz [--target NAME] [--seconds N] [--seed S] [--corpus "
               "FOLDER] [--artifact FILE] [--input FILE]\n",
               stderr);
    std::exit(2);
}

} // namespace

int main(int argc, char** argv)
{
    std::string only, replay, corpus;
    double seconds = 1;
    std::uint64_t seed = 1;
    artifact = "fuzz-input.bin";
    for (int i = 1; i < argc; i += 2) {
        const std::string name = argv[i];
        if (i + 1 == argc) {
            usage();
        }
        const char* value = argv[i + 1];
        if (name == "--target") {
            only = value;
        } else if (name == "--seconds") {
            seconds = std::atof(value);
        } else if (name == "--seed") {
            seed = std::strtoull(value, nullptr, 10);
        } else if (name == "--artifact") {
            artifact = value;
        } else if (name == "--input") {
            replay = value;
        } else if (name == "--corpus") {
            corpus = value;
        } else {
            usage();
        }
    }
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
    __sanitizer_set_death_callback(save_input);
#endif
    std::signal(SIGABRT, on_abort);
    std::signal(SIGPROF, on_tick);
    const itimerval tick = { { hang_seconds, 0 }, { hang_seconds, 0 } };
    setitimer(ITIMER_PROF, &tick, nullptr);

    bool any = false;
    for (const auto& target : fuzz::targets) {
        if (!only.empty() && only != target.name) {
            continue;
        }
        any = true;
        if (replay.empty()) {
            run(target, seconds, seed, corpus);
            continue;
        }
        std::ifstream file(replay, std::ios::binary);
        const input bytes{ std::istreambuf_iterator<char>(file), {} };
        const bool accepted = run_one(target, bytes) == fuzz::verdict::accepted;
        std::printf("%s: %s\n", target.name, accepted ? "accepted" : "rejected");
    }
    if (!any) {
        usage();
    }
    return 0;
}
